import Devices
import Glibc

extension I2CFailure {
  /// Classifies the errno with which a transfer on this adapter ended (docs/hardware.md, bus errors).
  ///
  /// Errno values mean nearly the same on all adapters. The exception is rk3x. It reports no arbitration
  /// loss, but reported a missing acknowledge as EAGAIN before it used ENXIO.
  /// - Parameter driver: the controller's kernel driver.
  init(errno: Int32, driver: String?) {
    self =
      switch errno {
      case EAGAIN where driver == "rk3x-i2c": .nack
      case ENXIO, EREMOTEIO, ENODEV: .nack
      case EAGAIN: .arbitrationLost
      case ETIMEDOUT: .busFault
      case EBUSY: .addressClaimed
      default: .busError
      }
  }
}
