// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * account.c - how many pages of trampolines each user has, and may have
 *
 * The pages are kernel memory that is not swapped. They are charged to the memory cgroup of who
 * makes the table; this is the limit for systems without one. It counts by the real user id, as
 * RLIMIT_MEMLOCK does, but is not that limit: a program's closures should not depend on how many
 * io_uring and perf buffers its user has.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "trampfd.h"

struct trampfd_user {
	struct hlist_node node;
	kuid_t uid;
	u64 pages; /* never 0 while it is in the hash */
};

static unsigned long max_user_pages = 16384;
module_param(max_user_pages, ulong, 0644);
MODULE_PARM_DESC(max_user_pages, "pages that one user's trampolines may take (16384)");

static DEFINE_HASHTABLE(users, 6);
static DEFINE_MUTEX(users_lock);

static struct trampfd_user *user_of(kuid_t uid)
{
	struct trampfd_user *user;

	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static struct trampfd_user *user_of_or_new(kuid_t uid)
{
	struct trampfd_user *user = user_of(uid);

	if (user)
		return user;
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return ERR_PTR(-ENOMEM);
	user->uid = uid;
	hash_add(users, &user->node, __kuid_val(uid));
	return user;
}

static void drop_if_unused(struct trampfd_user *user)
{
	if (user->pages)
		return;
	hash_del(&user->node);
	kfree(user);
}

/* No limit for who may exceed limits. Asked last, because asking may be logged. */
static bool over_limit(u64 pages)
{
	return pages > READ_ONCE(max_user_pages) && !capable(CAP_SYS_RESOURCE);
}

/**
 * trampfd_charge - charge the current user for pages
 * @pages: how many, not 0
 *
 * Return: whom to uncharge; ERR_PTR(-EDQUOT) or ERR_PTR(-ENOMEM).
 */
struct trampfd_user *trampfd_charge(unsigned int pages)
{
	struct trampfd_user *user;

	mutex_lock(&users_lock);
	user = user_of_or_new(current_uid());
	if (IS_ERR(user))
		goto out;
	if (over_limit(user->pages + pages)) {
		drop_if_unused(user);
		user = ERR_PTR(-EDQUOT);
		goto out;
	}
	user->pages += pages;
out:
	mutex_unlock(&users_lock);
	return user;
}

void trampfd_uncharge(struct trampfd_user *user, unsigned int pages)
{
	mutex_lock(&users_lock);
	user->pages -= pages;
	drop_if_unused(user);
	mutex_unlock(&users_lock);
}

/**
 * trampfd_usage - what the current user has and may have
 * @pages: pages in tables
 * @limit: how many there may be; U64_MAX for who may exceed limits
 */
void trampfd_usage(u64 *pages, u64 *limit)
{
	struct trampfd_user *user;

	mutex_lock(&users_lock);
	user = user_of(current_uid());
	*pages = user ? user->pages : 0;
	mutex_unlock(&users_lock);
	*limit = has_capability_noaudit(current, CAP_SYS_RESOURCE) ? U64_MAX
								   : READ_ONCE(max_user_pages);
}
