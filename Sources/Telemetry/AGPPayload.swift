import HandModel
import PrimalLogic

/// The two AGP topics: the bare number of the source system, and what stands behind it.
struct AGPPayload {
  /// λ when all joints share one, as the source's single field expects.
  private let sharedLambda: Double?
  private let identity: HandIdentity
  private let certificateFingerprint: String

  init(identity: HandIdentity) {
    self.identity = identity
    let lambdas = Set(identity.calibration.joints.map(\.gains.lambdaPerSecond))
    sharedLambda = lambdas.count == 1 ? lambdas.first : nil
    certificateFingerprint = FingerprintFNV1a(identity.certificateJSON).text
  }

  /// L as number text with at least nine significant digits, or nil when the tick has no L. The shortest
  /// text that reads back to the same Double never rounds 0.99999… up to 1; zeros pad it.
  static func lipschitzText(_ value: Double) -> [UInt8]? {
    guard value.isFinite else { return nil }
    var text = value.description
    // Below 10⁻⁴ the exponent form is a number text too, and cannot be padded.
    guard !text.contains("e"), let point = text.firstIndex(of: ".") else { return Array(text.utf8) }
    let decimals = text.distance(from: point, to: text.endIndex) - 1
    if decimals < 9 { text.append(String(repeating: "0", count: 9 - decimals)) }
    return Array(text.utf8)
  }

  /// Fields named as the source's AGP row where it has them. `error_position` and `error_velocity` are
  /// absent: they are a body's vector in space, which a hand without a kinematic model does not have.
  func detail(of record: borrowing TickRecord) -> [UInt8] {
    let joints = min(Int(record.jointCount), maximumJoints)
    var memory = 0.0
    var distance = 0.0
    for joint in 0..<joints {
      memory += record.joints[joint].memoryRadianSeconds
      distance = max(distance, record.joints[joint].distance)
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("system_id")
    json.string(identity.handID)
    json.key("boot_id")
    json.string(identity.bootID)
    json.key("seq")
    json.wide(record.sequence)
    json.key("t")
    json.seconds(nanoseconds: record.wallNanoseconds)
    json.key("control_mode")
    json.string(record.mode.name)
    json.key("control_mode_gauge")
    json.integer(Int64(record.mode.rawValue))
    json.key("primal_state")
    json.number(record.psi)
    json.key("gamma")
    json.number(record.gamma)
    json.key("energy_integral")
    json.number(record.energyIntegral)
    json.key("integral_state")
    json.number(memory)
    json.key("lambda_decay")
    sharedLambda.map { json.number($0) } ?? json.null()
    json.key("lipschitz_constant")
    json.number(record.lipschitz)
    json.key("rate")
    json.number(record.ratePerSecond)
    json.key("window_product")
    json.number(record.windowProduct)
    json.key("window_ticks")
    json.integer(Int64(identity.board.control.windowTicks))
    json.key("certificate")
    json.string(record.certificate.name)
    json.key("uncertified_ticks")
    json.integer(Int64(record.uncertifiedTicks))
    json.key("distance")
    json.number(distance)
    json.key("certificate_hash")
    json.string(certificateFingerprint)
    json.endObject()
    return json.bytes
  }
}
