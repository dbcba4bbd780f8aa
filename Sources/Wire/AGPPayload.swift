import HandModel
import PrimalLogic

/// The two AGP topics: the bare number of the source system, and what stands behind it.
package struct AGPPayload {
  /// λ when all joints share one, as the source's single field expects.
  private let sharedLambda: Double?
  private let identity: HandIdentity
  private let certificateFingerprint: String

  package init(identity: HandIdentity) {
    self.identity = identity
    let lambdas = Set(identity.calibration.joints.map(\.gains.lambdaPerSecond))
    sharedLambda = lambdas.count == 1 ? lambdas.first : nil
    certificateFingerprint = FingerprintFNV1a(identity.certificateJSON).text
  }

  /// L as number text with at least nine significant digits, or nil when the tick has no L. The shortest
  /// text that reads back to the same Double never rounds 0.99999… up to 1; zeros pad it.
  package static func lipschitzText(_ value: Double) -> [UInt8]? {
    guard value.isFinite else { return nil }
    var text = value.description
    // Below 10⁻⁴ the exponent form is a number text too, and cannot be padded.
    guard !text.contains("e"), let point = text.firstIndex(of: ".") else { return Array(text.utf8) }
    let decimals = text.distance(from: point, to: text.endIndex) - 1
    if decimals < 9 { text.append(String(repeating: "0", count: 9 - decimals)) }
    return Array(text.utf8)
  }

  /// L from its text; nil when that is no finite number.
  package static func lipschitz(ofText bytes: [UInt8]) -> Double? { Double(numberText: bytes) }

  /// Fields named as the source's AGP row where it has them; their units are those of the fields in `state`.
  /// `error_position` and `error_velocity` are absent: they are a body's vector in space, which a hand
  /// without a kinematic model does not have.
  package func detail(of record: borrowing TickRecord) -> [UInt8] {
    let joints = min(Int(record.jointCount), maximumJoints)
    var memory = 0.0
    var distance = 0.0
    for joint in 0..<joints {
      memory += record.joints[joint].memoryRadianSeconds
      distance = max(distance, record.joints[joint].distance)
    }
    return DetailMessage(
      handID: identity.handID, runID: identity.runID, sequence: record.sequence,
      wallNanoseconds: record.wallNanoseconds, mode: record.mode, psi: record.psi, gamma: record.gamma,
      energyIntegral: record.energyIntegral, memoryRadianSeconds: memory, lambdaPerSecond: sharedLambda,
      lipschitz: record.lipschitz, ratePerSecond: record.ratePerSecond, windowProduct: record.windowProduct,
      windowTicks: identity.board.control.windowTicks, certificate: record.certificate,
      uncertifiedTicks: record.uncertifiedTicks, distance: distance, certificateHash: certificateFingerprint
    ).encoded()
  }
}
