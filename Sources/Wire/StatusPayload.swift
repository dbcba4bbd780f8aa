import HandModel

/// The retained `status` message: one word for people and tools that want no more.
package struct StatusPayload {
  /// The words of docs/telemetry.md; `lost` is the will.
  package enum Word: String, CaseIterable, Sendable {
    case starting = "init"
    case ready, armed, moving, fault
    case eStop = "estop"
    case disconnected, lost

    /// The word for a state.
    package init(_ state: HandState) {
      self =
        switch state {
        case .starting, .selfTest: .starting
        case .idle: .ready
        case .armed: .armed
        case .tracking: .moving
        case .fault: .fault
        case .eStop: .eStop
        }
    }
  }

  private let identity: HandIdentity
  private let jointNames: [String]

  package init(identity: HandIdentity) {
    self.identity = identity
    jointNames = identity.board.joints.map(\.name)
  }

  /// - Parameters:
  ///   - session: number of the connection within this run, from 1: a will that arrives late carries an
  ///     older number than the status that it would replace.
  ///   - fault: the latched cause and its joint (255 = none).
  ///   - sequence: the newest record's; nil before the first and in the will, which is written in advance.
  ///   - ways: how commands and stops reach the hand; nil in the will.
  package func encode(
    _ word: Word, session: UInt64, fault: (code: FaultCode, joint: UInt8)? = nil, sequence: UInt64? = nil,
    ways: (commands: CommandWay, stop: CommandWay)? = nil
  ) -> [UInt8] {
    let joint = fault.flatMap { Int($0.joint) < jointNames.count ? jointNames[Int($0.joint)] : nil }
    return StatusMessage(
      word: word, runID: identity.runID, session: session, version: identity.version, fault: fault?.code,
      faultJoint: joint, sequence: sequence,
      ways: ways.map { .init(commands: $0.commands, stop: $0.stop) }
    ).encoded()
  }
}
