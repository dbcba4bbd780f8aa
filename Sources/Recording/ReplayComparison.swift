import Glibc
import HandModel
import PrimalLogic

/// Compares ticks run again with those of a recording.
package final class ReplayComparison {
  package private(set) var difference = RecordingDifference()
  private let jointNames: [String]
  private let columns = TickColumn.allCases
  private let frames = UnsafeMutableRawPointer.allocate(byteCount: TickRow.largestJoints, alignment: 8)

  package init(_ recording: Recording) { jointNames = recording.jointNames }

  deinit { frames.deallocate() }

  /// Compares every column and joint value at the resolution of the file, and the hash of the exact bits.
  /// - Parameters:
  ///   - recorded: as `cursor` read it last.
  ///   - replayed: as the tick left it.
  /// - Returns: whether they are equal.
  @discardableResult
  package func compare(
    recorded: borrowing TickRecord, from cursor: TickCursor, replayed: borrowing TickRecord
  ) -> Bool {
    let count = min(Int(replayed.jointCount), maximumJoints)
    for joint in 0..<count {
      JointFrame.encode(replayed.joints[joint], to: frames + joint * JointFrame.byteCount)
    }
    // Equal frames are the rule, and comparing their bytes is quick.
    let stored = cursor.jointBytes
    if stored.count == count * JointFrame.byteCount, let start = stored.baseAddress,
      memcmp(frames, start, stored.count) == 0, columnsAgree(recorded, replayed)
    {
      difference.comparedTicks += 1
      return true
    }
    var rounded = copy replayed
    for joint in 0..<count {
      guard let value = JointFrame.decode(frames + joint * JointFrame.byteCount) else { continue }
      rounded.joints[joint] = value
    }
    let before = difference.differingTicks
    Recording.compare(copy recorded, rounded, names: jointNames, into: &difference)
    return difference.differingTicks == before
  }

  private func columnsAgree(_ a: borrowing TickRecord, _ b: borrowing TickRecord) -> Bool {
    for column in columns where !column.agrees(a, b) { return false }
    return true
  }
}
