import HandModel

/// The birth message of a hand that starts.
package enum BirthPayload {
  /// Constants the source system prints.
  private static let sourceConstants = [
    BirthMessage.Constant(name: "D", value: 149.9992314), .init(name: "I3", value: 6.4939394023),
    .init(name: "S", value: 23.0983417164),
  ]

  /// The schemas of all other messages, by topic.
  private static let schemas = [
    "status": StatusMessage.schema, "state": StateMessage.schema, "event": EventMessage.schema,
    "reply": ReplyMessage.schema, "detail": DetailMessage.schema, "summary": StatePayload.summarySchema,
  ]

  /// - Parameter stateHertz: messages of `state` in a second, as asked for; the hand's rate is the most.
  package static func encode(_ identity: HandIdentity, stateHertz: Double) -> [UInt8] {
    let control = identity.board.control
    return BirthMessage(
      handID: identity.handID, runID: identity.runID, version: identity.version, schemas: schemas,
      board: .init(name: identity.board.name, hash: FingerprintFNV1a(identity.boardYAML).text),
      calibration: .init(
        name: identity.calibration.hand, hash: FingerprintFNV1a(identity.calibrationYAML).text),
      certificateHash: FingerprintFNV1a(identity.certificateJSON).text, rateHertz: control.rateHertz,
      stateHertz: min(stateHertz, Double(control.rateHertz)), windowTicks: control.windowTicks,
      joints: joints(of: identity), channels: channels(of: identity),
      sensors: SensorMetrics(board: identity.board).all.map(\.name), constants: sourceConstants
    ).encoded()
  }

  private static func joints(of identity: HandIdentity) -> [BirthMessage.Joint] {
    zip(identity.board.joints, identity.calibration.joints).map { wiring, calibration in
      let limits = calibration.limits
      let torque =
        if case .motor(let drive) = calibration.drive { drive.torqueLimitNewtonMetres } else { Double.nan }
      return BirthMessage.Joint(
        name: wiring.name, lowerRadians: limits.lowerRadians, upperRadians: limits.upperRadians,
        radiansPerSecond: limits.radiansPerSecond, newtonMetres: torque, amperes: limits.currentAmperes,
        lambdaPerSecond: calibration.gains.lambdaPerSecond)
    }
  }

  /// Every key of a state message, in its order.
  package static func channels(of identity: HandIdentity) -> [Channel] { Channel.all(of: identity) }
}
