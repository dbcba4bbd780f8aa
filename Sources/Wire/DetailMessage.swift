import HandModel

/// What stands behind L of one tick, under the names of the source system's AGP row.
///
/// `error_position` and `error_velocity` of that row are absent: they are a body's vector in space, which a
/// hand without a kinematic model does not have.
package struct DetailMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.detail/1"

  /// Name of the hand, as in the topic.
  package var handID: String
  /// This start of the daemon.
  package var runID: String
  /// The tick it is of.
  package var sequence: UInt64
  /// Nanoseconds since 1970.
  package var wallNanoseconds: Int64
  package var mode: ControlMode
  /// ψ, summed over the joints; NaN where a tick has none, as all numbers here.
  package var psi: Double
  /// γ, summed over the joints, rad.
  package var gamma: Double
  /// E_c, the integral of ψγ.
  package var energyIntegral: Double
  /// Σ m of the joints, rad·s.
  package var memoryRadianSeconds: Double
  /// λ in 1/s; nil where joints differ.
  package var lambdaPerSecond: Double?
  /// L of the tick, worst joint.
  package var lipschitz: Double
  /// −ln L / dt.
  package var ratePerSecond: Double
  /// Λ, the product of L over the window.
  package var windowProduct: Double
  package var windowTicks: Int
  package var certificate: CertificateState
  package var uncertifiedTicks: UInt32
  /// The largest V of the joints.
  package var distance: Double
  /// Hash of the certificate's JSON: that of the birth.
  package var certificateHash: String

  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema")
    json.string(Self.schema)
    json.key("system_id")
    json.string(handID)
    json.key("run_id")
    json.string(runID)
    json.key("seq")
    json.wide(sequence)
    json.key("t")
    json.seconds(nanoseconds: wallNanoseconds)
    json.key("t_ns")
    json.wide(wallNanoseconds)
    json.key("control_mode")
    json.string(mode.id)
    json.key("control_mode_gauge")
    json.integer(Int64(mode.rawValue))
    for (key, value) in [
      ("primal_state", psi), ("gamma", gamma), ("energy_integral", energyIntegral),
      ("integral_state", memoryRadianSeconds), ("lambda_decay", lambdaPerSecond ?? .nan),
      ("lipschitz_constant", lipschitz), ("rate", ratePerSecond), ("window_product", windowProduct),
    ] {
      json.key(key)
      json.number(value)
    }
    json.key("window_ticks")
    json.integer(Int64(windowTicks))
    json.key("certificate")
    json.string(certificate.id)
    json.key("uncertified_ticks")
    json.integer(Int64(uncertifiedTicks))
    json.key("distance")
    json.number(distance)
    json.key("certificate_hash")
    json.string(certificateHash)
    json.endObject()
    return json.bytes
  }
}

extension DetailMessage {
  /// Reads a message. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    self.init(
      handID: try fields.text("system_id"), runID: try fields.text("run_id"),
      sequence: try fields.natural("seq"), wallNanoseconds: try fields.integer("t_ns"),
      mode: try fields.word("control_mode", as: ControlMode.self),
      psi: try fields.numberOrNaN("primal_state"),
      gamma: try fields.numberOrNaN("gamma"), energyIntegral: try fields.numberOrNaN("energy_integral"),
      memoryRadianSeconds: try fields.numberOrNaN("integral_state"),
      lambdaPerSecond: try fields.optionalNumber("lambda_decay"),
      lipschitz: try fields.numberOrNaN("lipschitz_constant"), ratePerSecond: try fields.numberOrNaN("rate"),
      windowProduct: try fields.numberOrNaN("window_product"),
      windowTicks: try fields.integer("window_ticks", as: Int.self),
      certificate: try fields.word("certificate", as: CertificateState.self),
      uncertifiedTicks: try fields.integer("uncertified_ticks", as: UInt32.self),
      distance: try fields.numberOrNaN("distance"), certificateHash: try fields.text("certificate_hash"))
  }
}
