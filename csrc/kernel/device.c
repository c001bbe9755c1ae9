// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * device.c - /dev/trampfd: the ioctls, what is wrong with a struct, loading and unloading
 *
 * Anyone may open the device, because a trampoline leads only to code that the program already has.
 * A table belongs to the process that makes the ioctl, whichever process opened the device.
 */
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "trampfd.h"

/* ---- checks of a struct, which come before anything is read that the struct points to */

static bool is_one_of(u64 registers, u32 number)
{
	return number < 64 && registers >> number & 1;
}

static int check_registers(const struct trampfd_arch *arch, const struct trampfd_create *arg)
{
	u32 code_register = arch->code_register;

	if (arg->flags & TRAMPFD_CODE_REGISTER) {
		code_register = arg->code_register;
		if (!is_one_of(arch->code_registers, code_register))
			return -EINVAL;
	} else if (arg->code_register) {
		return -EINVAL;
	}
	if (!is_one_of(arch->registers, arg->data_register))
		return -EINVAL;
	return arg->data_register != code_register ? 0 : -EINVAL;
}

static int check_fields(const struct trampfd_arch *arch, const struct trampfd_create *arg)
{
	bool compact = arg->flags & TRAMPFD_COMPACT;

	if (arg->flags & ~arch->flags)
		return -EINVAL;
	if (compact && (arg->flags & (TRAMPFD_CODE_ARRAY | TRAMPFD_CODE_REGISTER)))
		return -EINVAL;
	if (!arg->count || arg->first >= arg->count)
		return -EINVAL;
	if (!compact && arg->first)
		return -EINVAL;
	if ((arg->flags & TRAMPFD_DATA_ARRAY) && arg->stride)
		return -EINVAL;
	if (!(arg->flags & TRAMPFD_CODE_ARRAY) && arg->code % arch->code_align)
		return -EINVAL;
	return check_registers(arch, arg);
}

static int check_create(const struct trampfd_arch *arch, const struct trampfd_create *arg)
{
	int error = check_fields(arch, arg);

	if (error)
		return error;
	if (arg->count > TRAMPFD_MAX_COUNT)
		return -EOVERFLOW;
	if (arg->flags & TRAMPFD_CODE_ARRAY)
		return 0;
	return arg->code > arch->code_max ? -EFAULT : trampfd_check_targets(&arg->code, 1);
}

/* ---- the ioctls */

static int get_size(u32 *size, const void __user *user, u32 least)
{
	if (get_user(*size, (const u32 __user *)user))
		return -EFAULT;
	if (*size < least)
		return -EINVAL;
	return *size > PAGE_SIZE ? -E2BIG : 0;
}

/*
 * A descriptor of a new table. Its number is reserved after the struct was checked, so that errors
 * of the struct are reported first. It is installed when nothing can fail any more.
 */
static int create_fd(const struct trampfd_arch *arch, const struct trampfd_create *arg)
{
	struct trampfd_table *table;
	struct file *file;
	int fd;

	table = trampfd_table_create(arch, arg);
	if (IS_ERR(table))
		return PTR_ERR(table);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		trampfd_table_free(table);
		return fd;
	}
	file = trampfd_file_create(table);
	if (IS_ERR(file)) {
		trampfd_table_free(table);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static int ioctl_create(const struct trampfd_arch *arch, const void __user *user)
{
	struct trampfd_create arg;
	u32 size;
	int error;

	BUILD_BUG_ON(sizeof(arg) != TRAMPFD_CREATE_SIZE_V0);
	error = get_size(&size, user, TRAMPFD_CREATE_SIZE_V0);
	if (!error)
		error = copy_struct_from_user(&arg, sizeof(arg), user, size);
	if (!error)
		error = check_create(arch, &arg);
	return error ?: create_fd(arch, &arg);
}

static int ioctl_info(const struct trampfd_arch *arch, void __user *user)
{
	struct trampfd_info info = {
		.size = sizeof(info),
		.version = TRAMPFD_VERSION,
		.machine = arch->machine,
		.flags = arch->flags,
		.max_count = TRAMPFD_MAX_COUNT,
		.page_size = PAGE_SIZE,
		.data_registers = arch->registers,
		.code_registers = arch->code_registers,
	};
	u32 size;
	int error;

	BUILD_BUG_ON(sizeof(info) != TRAMPFD_INFO_SIZE_V0);
	error = get_size(&size, user, TRAMPFD_INFO_SIZE_V0);
	if (error)
		return error;
	trampfd_usage(&info.user_pages, &info.user_limit);
	if (copy_to_user(user, &info, min_t(u32, size, sizeof(info))))
		return -EFAULT;
	if (size > sizeof(info) && clear_user(user + sizeof(info), size - sizeof(info)))
		return -EFAULT;
	return 0;
}

static long answer(const struct trampfd_arch *arch, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case TRAMPFD_CREATE:
		return ioctl_create(arch, user);
	case TRAMPFD_INFO:
		return ioctl_info(arch, user);
	default:
		return -ENOTTY;
	}
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return answer(&trampfd_native, cmd, arg);
}

#ifdef CONFIG_COMPAT
/*
 * The structs are the same; what is written is code for the caller. x32's system calls come this
 * way, too, and its code is 64-bit code.
 */
static long device_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	arg = (unsigned long)compat_ptr(arg);
	if (TRAMPFD_IS_X32)
		return answer(&trampfd_native, cmd, arg);
#ifdef TRAMPFD_COMPAT
	return answer(&trampfd_compat, cmd, arg);
#else
	return cmd == TRAMPFD_CREATE || cmd == TRAMPFD_INFO ? -EOPNOTSUPP : -ENOTTY;
#endif
}
#endif

static int device_open(struct inode *inode, struct file *file)
{
	return trampfd_file_pin();
}

static int device_release(struct inode *inode, struct file *file)
{
	trampfd_file_unpin();
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = device_compat_ioctl,
#endif
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "trampfd",
	.fops = &device_fops,
	.mode = 0666,
};

module_misc_device(device);

MODULE_DESCRIPTION("Trampolines that the kernel writes, to static code");
MODULE_AUTHOR("ffi_static");
MODULE_LICENSE("Dual MIT/GPL");
