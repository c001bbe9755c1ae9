// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * account.c - how many pages of trampolines each user has, and may have
 *
 * The pages are kernel memory that is not swapped. They are charged to the memory cgroup of the
 * task that makes the table. The limit here is for systems without memory cgroups. It counts by the
 * real user id, as RLIMIT_MEMLOCK does, but it is a limit of its own: a program's closures should
 * not depend on how many io_uring and perf buffers its user has.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
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
static DEFINE_SPINLOCK(users_lock);

static struct trampfd_user *user_of(kuid_t uid)
{
	struct trampfd_user *user;

	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static void drop_if_unused(struct trampfd_user *user)
{
	if (user->pages)
		return;
	hash_del(&user->node);
	kfree(user);
}

/* Charge the current user. If the user has no account yet, `fresh` becomes it. */
static struct trampfd_user *charge(struct trampfd_user *fresh, unsigned int pages, u64 limit)
{
	struct trampfd_user *user;

	spin_lock(&users_lock);
	user = user_of(fresh->uid) ?: fresh;
	if (user->pages + pages > limit) {
		user = ERR_PTR(-EDQUOT);
	} else {
		if (user == fresh)
			hash_add(users, &user->node, __kuid_val(user->uid));
		user->pages += pages;
	}
	spin_unlock(&users_lock);
	return user;
}

/**
 * trampfd_charge - charge the current user for pages
 * @pages: how many, not 0
 *
 * A user who may exceed limits (CAP_SYS_RESOURCE) has none. capable() is called last, because
 * security modules may log it. Like the allocation, it is done without the lock, for which all
 * users wait.
 *
 * Return: the account to uncharge; ERR_PTR(-EDQUOT) or ERR_PTR(-ENOMEM).
 */
struct trampfd_user *trampfd_charge(unsigned int pages)
{
	struct trampfd_user *fresh = kzalloc(sizeof(*fresh), TRAMPFD_GFP), *user;

	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = current_uid();
	user = charge(fresh, pages, READ_ONCE(max_user_pages));
	if (IS_ERR(user) && capable(CAP_SYS_RESOURCE))
		user = charge(fresh, pages, U64_MAX);
	if (user != fresh)
		kfree(fresh);
	return user;
}

void trampfd_uncharge(struct trampfd_user *user, unsigned int pages)
{
	spin_lock(&users_lock);
	user->pages -= pages;
	drop_if_unused(user);
	spin_unlock(&users_lock);
}

/**
 * trampfd_usage - what the current user has and may have
 * @pages: pages in tables
 * @limit: how many there may be; U64_MAX for a user who may exceed limits
 */
void trampfd_usage(u64 *pages, u64 *limit)
{
	struct trampfd_user *user;

	spin_lock(&users_lock);
	user = user_of(current_uid());
	*pages = user ? user->pages : 0;
	spin_unlock(&users_lock);
	*limit = has_capability_noaudit(current, CAP_SYS_RESOURCE) ? U64_MAX
								   : READ_ONCE(max_user_pages);
}
