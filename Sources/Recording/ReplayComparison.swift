import HandModel
import Wire

/// Compares ticks run again with those of a recording.
package final class ReplayComparison {
  /// What `compare` has found so far; the first recording is the recorded one, the second the replay.
  package private(set) var difference = RecordingDifference()
  private let jointNames: [String]
  private let codec: TickCodec
  private let equality: TickEquality
  private let blob: UnsafeMutableRawPointer

  /// A comparison that uses the joints and the resolution of `recording`.
  package init(_ recording: Recording) {
    jointNames = recording.jointNames
    codec = recording.codec
    equality = TickEquality(recording.fields, equipment: recording.equipment)
    blob = .allocate(byteCount: codec.blobBytes, alignment: 8)
  }

  deinit { blob.deallocate() }

  /// Compares every column and joint value at the resolution of the file, and the hash of the exact bits.
  /// - Parameters:
  ///   - recorded: as a cursor read it.
  ///   - replayed: as the tick left it.
  /// - Returns: whether they are equal.
  @discardableResult
  package func compare(recorded: UnsafePointer<TickRecord>, replayed: UnsafePointer<TickRecord>) -> Bool {
    // Equal ticks are the rule, and this is quick.
    if equality.agree(recorded, replayed) {
      difference.comparedTicks += 1
      return true
    }
    var rounded = replayed.pointee
    withUnsafeMutablePointer(to: &rounded) { codec.round($0, through: blob) }
    let before = difference.differingTicks
    Recording.compare(recorded.pointee, rounded, names: jointNames, codec: codec, into: &difference)
    return difference.differingTicks == before
  }
}
