import Devices
import Glibc

extension I2CFailure {
  /// Classifies what a transfer on this adapter ended with (docs/hardware.md, bus errors).
  ///
  /// Errno values mean nearly the same to all adapters. The exception is rk3x, which has no arbitration loss
  /// but reported a missing acknowledge as EAGAIN before it used ENXIO.
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
