// SMBus transfers on /dev/i2c-* through libi2c, and the ioctls beside them, which Swift cannot call because
// `ioctl` is variadic. Every function returns 0 or a result for success, and a negative errno for failure, as
// libi2c's own do.
#ifndef CI2C_SHIM_H
#define CI2C_SHIM_H

#include <errno.h>
#include <i2c/smbus.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <sys/ioctl.h>

// EBUSY: a kernel driver is bound to the address.
static inline int ci2c_set_address(int descriptor, int address) {
  return ioctl(descriptor, I2C_SLAVE, (unsigned long)address) < 0 ? -errno : 0;
}

// Of the whole adapter, in units of 10 ms.
static inline int ci2c_set_timeout(int descriptor, unsigned long tens_of_milliseconds) {
  return ioctl(descriptor, I2C_TIMEOUT, tens_of_milliseconds) < 0 ? -errno : 0;
}

// Of the whole adapter; the kernel repeats after EAGAIN only.
static inline int ci2c_set_retries(int descriptor, unsigned long count) {
  return ioctl(descriptor, I2C_RETRIES, count) < 0 ? -errno : 0;
}

static inline int ci2c_get_functionality(int descriptor, unsigned long *mask) {
  return ioctl(descriptor, I2C_FUNCS, mask) < 0 ? -errno : 0;
}

#endif
