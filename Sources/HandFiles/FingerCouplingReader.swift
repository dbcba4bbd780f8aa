import HandModel
import PrimalLogic

/// Reads `couplings_N_m_per_rad` of a calibration file: a matrix a coupled finger.
struct FingerCouplingReader {
  private static let limits = NumberRange.from(-1000, to: 1000)

  let section: MappingReader
  let board: Board
  /// Those that could be read.
  let joints: [JointCalibration]

  /// To what a file says with sense, 10⁻⁶: what is computed has the last digits of its arithmetic.
  private static func rounded(_ x: Double) -> Double { (x * 1e6).rounded() / 1e6 }

  func read() -> [FingerCoupling] {
    let fingers = board.fingers.filter(\.isFinger)
    let couplings = fingers.compactMap { finger in
      section.has(finger.name) ? read(finger.name, finger.joints) : nil
    }
    section.finish(
      kindOfKey: "finger", hint: "a finger is declared in the board file, `finger: NAME` at its joints")
    return couplings
  }

  private func read(_ finger: String, _ members: [Int]) -> FingerCoupling? {
    func refuse(_ found: String, _ expected: String) -> FingerCoupling? {
      section.report(finger, found: found, expected: expected)
      return nil
    }
    let count = members.count
    guard (2...CoupledModel.maximumJoints).contains(count) else {
      return refuse(
        "a finger of \(count) \(count == 1 ? "joint" : "joints")",
        "a finger of 2 to \(CoupledModel.maximumJoints) joints: no certificate is found for more")
    }
    if let servo = members.first(where: { board.joints[$0].actuator.isServo }) {
      return refuse(
        "\(board.joints[servo].name), which has a servo",
        "motors only: a servo's own loop holds against what pulls at it")
    }
    guard let k = section.matrix(finger, count: count, Self.limits) else { return nil }
    for i in 0..<count {
      for j in 0..<i where k[i * count + j] != k[j * count + i] {
        return refuse(
          "\(k[i * count + j]) in row \(i + 1), column \(j + 1), but \(k[j * count + i]) in row \(j + 1), "
            + "column \(i + 1)", "a symmetric matrix: joints pull at each other alike")
      }
    }
    guard (0..<count * count).contains(where: { $0 / count != $0 % count && k[$0] != 0 }) else {
      return refuse("a matrix without coupling", "an entry off the diagonal, or no entry for this finger")
    }
    let smallest = CoupledModel.smallestEigenvalue(k, count: count)
    if smallest < 0 {
      return refuse(
        "a matrix with the eigenvalue \(Self.rounded(smallest))",
        "none below 0 (positive semidefinite), or the coupling would give more than it was given; what rounding took "
          + "away, add to the diagonal")
    }
    check(finger, members, k)
    return FingerCoupling(finger: finger, joints: members, stiffness: k)
  }

  /// The motor must be able to hold the pull everywhere within the finger's limits, besides its load.
  private func check(_ finger: String, _ members: [Int], _ k: [Double]) {
    let calibrations = members.map { member in joints.first { $0.name == board.joints[member].name } }
    for (i, calibration) in calibrations.enumerated() {
      guard let calibration, case .motor(let drive) = calibration.drive else { continue }
      var (least, most) = (0.0, 0.0)
      for (j, other) in calibrations.enumerated() {
        guard let limits = other?.limits else { return }
        let ends = [limits.lowerRadians, limits.upperRadians].map { k[i * members.count + j] * $0 }
        least += min(ends[0], ends[1])
        most += max(ends[0], ends[1])
      }
      let load = max(-least, most) + drive.plant.coulombNewtonMetres + drive.plant.gravityNewtonMetres
      // Written so that a value that could not be read, NaN, passes: its error has been reported.
      if load >= drive.torqueLimitNewtonMetres {
        section.report(
          finger, item: i,
          found: "up to \(Self.rounded(load)) N m to hold at \(calibration.name), load included",
          expected: "less than its torque_N_m (\(drive.torqueLimitNewtonMetres))")
      }
    }
  }
}
