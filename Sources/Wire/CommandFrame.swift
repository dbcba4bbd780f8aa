import HandModel
import PrimalLogic

/// A command as the blob `command` of the tick that took it. Big-endian, as the joints:
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 1 | `TickCommand.Kind` |
/// | 1 | 1 | `CommandSource` |
/// | 2 | 2 | 0 |
/// | 4 | 4 | number |
/// | 8 | 8 | seconds, 64-bit floating point |
/// | 16 | 4 | joints with a target, bit j |
/// | 20 | 8 each | target of each such joint, rad, 64-bit floating point |
package enum CommandFrame {
  private static let headByteCount = 20
  /// Of a command with a target for every joint.
  package static let largestByteCount = headByteCount + 8 * maximumJoints

  private static let place = offset(\TickRecord.command)
  private static let target = offset(\JointRecord.targetRadians)

  private static func offset<Record, Value>(_ path: KeyPath<Record, Value>) -> Int {
    guard let offset = MemoryLayout<Record>.offset(of: path) else {
      preconditionFailure("stored properties have an offset")
    }
    return offset
  }

  /// Whether a `TickRecord` holds a command.
  package static func isGiven(in record: UnsafeRawPointer) -> Bool { head(record).kind != .none }

  private static func head(_ record: UnsafeRawPointer) -> TickCommandHead {
    record.load(fromByteOffset: place, as: TickCommandHead.self)
  }

  /// Writes the command of a tick.
  /// - Parameters:
  ///   - record: a `TickRecord` with `joints` joints.
  ///   - frame: `largestByteCount` bytes.
  /// - Returns: bytes written.
  package static func encode(_ record: UnsafeRawPointer, joints: Int, to frame: UnsafeMutableRawPointer)
    -> Int
  {
    let command = head(record)
    let mask = joints < maximumJoints ? command.jointMask & ((1 << JointMask(joints)) - 1) : command.jointMask
    frame.storeBytes(of: command.kind.rawValue, toByteOffset: 0, as: UInt8.self)
    frame.storeBytes(of: command.source.rawValue, toByteOffset: 1, as: UInt8.self)
    frame.storeBytes(of: 0, toByteOffset: 2, as: UInt16.self)
    frame.storeBytes(of: command.number.bigEndian, toByteOffset: 4, as: UInt32.self)
    frame.storeBytes(of: command.seconds.bitPattern.bigEndian, toByteOffset: 8, as: UInt64.self)
    frame.storeBytes(of: mask.bigEndian, toByteOffset: 16, as: JointMask.self)
    var count = headByteCount
    for joint in 0..<joints where mask & 1 << JointMask(joint) != 0 {
      let radians = record.load(fromByteOffset: TickRecord.jointOffset(joint) + target, as: UInt64.self)
      frame.storeBytes(of: radians.bigEndian, toByteOffset: count, as: UInt64.self)
      count += 8
    }
    return count
  }

  /// Nil when the bytes are no command.
  package static func decode(_ frame: UnsafeRawBufferPointer) -> TickCommand? {
    guard frame.count >= headByteCount, let kind = TickCommand.Kind(rawValue: frame[0]),
      let source = CommandSource(rawValue: frame[1])
    else { return nil }
    var command = TickCommand()
    command.kind = kind
    command.source = source
    command.jointMask = JointMask(bigEndian: frame.loadUnaligned(fromByteOffset: 16, as: JointMask.self))
    command.number = UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    command.seconds = real(frame, 8)
    var count = headByteCount
    guard frame.count == count + 8 * command.jointMask.nonzeroBitCount else { return nil }
    for joint in 0..<maximumJoints where command.jointMask & 1 << JointMask(joint) != 0 {
      command.targets[joint] = real(frame, count)
      count += 8
    }
    return command
  }

  /// Puts a command into a tick.
  /// - Parameter record: a `TickRecord` with `joints` joints.
  static func store(_ command: TickCommand, in record: UnsafeMutableRawPointer, joints: Int) {
    record.storeBytes(of: TickCommandHead(command), toByteOffset: place, as: TickCommandHead.self)
    for joint in 0..<joints {
      record.storeBytes(
        of: command.targets[joint], toByteOffset: TickRecord.jointOffset(joint) + target, as: Double.self)
    }
  }

  private static func real(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> Double {
    Double(bitPattern: UInt64(bigEndian: frame.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
  }
}
