import HandModel

/// What a segment says of the hand whose ticks it holds.
struct SegmentDescription {
  var handID: String
  var runID: String
  /// Which start of all in its data directory it is, from 1; nil where nobody knows.
  var startNumber: Int?
  /// When the segment was begun, in seconds since 1970; nil where nobody knew.
  var openedAt: Int64?
  /// Of the program that recorded.
  var version: String
  var rateHertz: Int
  var jointNames: [String]
  var equipment: [JointEquipment]
  var boardYAML: String
  var calibrationYAML: String
  var certificateJSON: String
  /// Of a recording that was thinned out: the ticks that are there all the same are those whose number is a
  /// multiple of this; nil = all were to be kept.
  var thinnedTo: Int?

  init(
    _ identity: HandIdentity, startNumber: Int? = nil, mode: RecordingMode = .full, openedAt: Int64? = nil
  ) {
    self.openedAt = openedAt
    if mode == .events { thinnedTo = SegmentLayout.rowEvery(rateHertz: identity.board.control.rateHertz) }
    self.startNumber = startNumber
    handID = identity.handID
    runID = identity.runID
    version = identity.version
    rateHertz = identity.board.control.rateHertz
    jointNames = identity.board.joints.map(\.name)
    equipment = identity.board.equipment
    boardYAML = identity.boardYAML
    calibrationYAML = identity.calibrationYAML
    certificateJSON = identity.certificateJSON
  }

  init(_ recording: Recording) {
    thinnedTo = recording.thinnedTo
    handID = recording.handID
    runID = recording.runID
    version = recording.version
    rateHertz = recording.rateHertz
    jointNames = recording.jointNames
    equipment = recording.equipment
    boardYAML = recording.boardYAML
    calibrationYAML = recording.calibrationYAML
    certificateJSON = recording.certificateJSON
  }
}
