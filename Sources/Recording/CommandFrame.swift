import HandModel
import PrimalLogic

/// A command as the blob `command` of the tick that took it. Big-endian, as the joints:
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 1 | `TickCommand.Kind` |
/// | 1 | 1 | `CommandSource` |
/// | 2 | 2 | joints with a target, bit j |
/// | 4 | 4 | number |
/// | 8 | 8 | seconds, 64-bit floating point |
/// | 16 | 8 each | target of each such joint, rad, 64-bit floating point |
enum CommandFrame {
  private static let headByteCount = 16
  static let largestByteCount = headByteCount + 8 * maximumJoints

  /// - Parameter frame: `largestByteCount` bytes.
  /// - Returns: bytes written.
  static func encode(_ command: borrowing TickCommand, to frame: UnsafeMutableRawPointer) -> Int {
    frame.storeBytes(of: command.kind.rawValue, toByteOffset: 0, as: UInt8.self)
    frame.storeBytes(of: command.source.rawValue, toByteOffset: 1, as: UInt8.self)
    frame.storeBytes(of: command.jointMask.bigEndian, toByteOffset: 2, as: UInt16.self)
    frame.storeBytes(of: command.number.bigEndian, toByteOffset: 4, as: UInt32.self)
    frame.storeBytes(of: command.seconds.bitPattern.bigEndian, toByteOffset: 8, as: UInt64.self)
    var count = headByteCount
    for joint in 0..<maximumJoints where command.jointMask & 1 << UInt16(joint) != 0 {
      frame.storeBytes(
        of: command.targets[joint].bitPattern.bigEndian, toByteOffset: count, as: UInt64.self)
      count += 8
    }
    return count
  }

  /// Nil when the bytes are no command.
  static func decode(_ frame: UnsafeRawBufferPointer) -> TickCommand? {
    guard frame.count >= headByteCount, let kind = TickCommand.Kind(rawValue: frame[0]),
      let source = CommandSource(rawValue: frame[1])
    else { return nil }
    var command = TickCommand()
    command.kind = kind
    command.source = source
    command.jointMask = UInt16(bigEndian: frame.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    command.number = UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    command.seconds = real(frame, 8)
    var count = headByteCount
    guard frame.count == count + 8 * command.jointMask.nonzeroBitCount else { return nil }
    for joint in 0..<maximumJoints where command.jointMask & 1 << UInt16(joint) != 0 {
      command.targets[joint] = real(frame, count)
      count += 8
    }
    return command
  }

  private static func real(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> Double {
    Double(bitPattern: UInt64(bigEndian: frame.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
  }
}
