@testable import LinuxIO
import Devices
import Glibc
import HandModel
import Testing

@Suite("Errno of I2C adapters")
struct ErrnoTests {
  /// The kernel's Documentation/i2c/fault-codes.rst and the drivers named in docs/hardware.md.
  @Test(
    "each errno of each adapter is classified as docs/hardware.md says",
    arguments: [
      ("i2c-bcm2835", EREMOTEIO, I2CFailure.nack), ("i2c-bcm2835", EIO, .busError),
      ("i2c-bcm2835", ETIMEDOUT, .busFault), ("i2c-bcm2835", EOPNOTSUPP, .busError),
      ("i2c_designware", EREMOTEIO, .nack), ("i2c_designware", EAGAIN, .arbitrationLost),
      ("i2c_designware", ETIMEDOUT, .busFault), ("omap_i2c", EREMOTEIO, .nack),
      ("omap_i2c", EAGAIN, .arbitrationLost), ("omap_i2c", ETIMEDOUT, .busFault),
      ("tegra-i2c", EREMOTEIO, .nack), ("tegra-i2c", EAGAIN, .arbitrationLost),
      ("tegra-i2c", ETIMEDOUT, .busFault), ("rk3x-i2c", ENXIO, .nack), ("rk3x-i2c", EAGAIN, .nack),
      ("rk3x-i2c", ETIMEDOUT, .busFault), (nil, ENODEV, .nack), (nil, EOPNOTSUPP, .busError),
      (nil, EBUSY, .addressClaimed), (nil, EPROTO, .busError), (nil, EBADMSG, .busError),
    ] as [(String?, Int32, I2CFailure)])
  func classes(driver: String?, errno: Int32, expected: I2CFailure) {
    #expect(I2CFailure(errno: errno, driver: driver) == expected)
  }

  @Test("an error names bus, adapter, address, class, errno and the kernel driver in the way")
  func text() {
    let error = I2CError(
      .addressClaimed, bus: "index", address: I2CAddress(0x40), errno: EBUSY, adapter: "rk3x-i2c",
      kernelDriver: "ina2xx")
    #expect(
      error.description
        == "bus index (rk3x-i2c), address 0x40: addressClaimed: Device or resource busy (errno 16); "
        + "kernel driver ina2xx owns the address: unbind it or move the chip")
    #expect(
      I2CError(.nack, bus: "index", address: I2CAddress(0x36)).description
        == "bus index, address 0x36: nack")
  }
}
