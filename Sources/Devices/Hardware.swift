import HandModel

/// Everything that a board file names, opened: by the simulation or on Linux.
///
/// The runtime asks for each part once, at start. From then on a part belongs to one thread.
package protocol Hardware: AnyObject {
  /// The bus at this index of `Board.buses`.
  func bus(_ index: Int) -> any I2CBus
  /// The line that the board file means by `spec`; the same spec gives the same line.
  func line(_ spec: LineSpec) -> any DigitalLine
  /// A channel of the chip at this index of `Board.pwmChips`, which is one of the kernel's (`sysfs`).
  func pwmChannel(chip: Int, channel: Int) -> any PWMChannel
}
