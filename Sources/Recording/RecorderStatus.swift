/// What a recorder has done so far. After `stop`, every tick produced is in exactly one of `recordedTicks`,
/// `thinnedTicks`, `droppedByRing`, `droppedByStorage` and `refusedTicks`.
package struct RecorderStatus: Sendable, Equatable {
  /// Whether the recorder's thread runs.
  package var running = false
  /// Ticks committed to a file: a power cut does not take them.
  package var recordedTicks: UInt64 = 0
  /// Ticks that the ring dropped because the recorder was behind.
  package var droppedByRing: UInt64 = 0
  /// Ticks dropped because storage failed for longer than the backlog lasts.
  package var droppedByStorage: UInt64 = 0
  /// Of these the ones that `stop` gave up.
  package var givenUpTicks: UInt64 = 0
  /// Ticks of which nothing was to be kept, in mode `events`.
  package var thinnedTicks: UInt64 = 0
  /// Records refused because their sequence was not above the one before.
  package var refusedTicks: UInt64 = 0
  /// Ticks produced and not committed yet.
  package var lagTicks = 0
  /// The segment being written, or "" when none is open.
  package var segmentPath = ""
  /// Bytes of all segments of this recorder.
  package var bytes: UInt64 = 0
  /// Segments deleted to keep within the bounds, of this and of earlier boots.
  package var expiredSegments = 0
  /// Whether the last attempt to write failed.
  package var storageFailing = false
  /// Text of the last storage error; it stays after recovery.
  package var lastError: String?

  /// After `stop`: whether the files are closed with everything in them that was there to be written.
  package var isComplete: Bool { !running && givenUpTicks == 0 }
}
