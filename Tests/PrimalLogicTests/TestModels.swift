import PrimalLogic
import SeededRandom

/// The loops whose golden values were computed independently (numpy and scipy in double precision, the worked
/// example also in 40-digit arithmetic).
enum TestModels {
  /// One joint of the nominal hand, the worked example of docs/control.md.
  static func hand(
    delay: Int = 0, period: Double = 1e-3, lambda: Double = 0.115, backCalculation: Double = 0.02
  ) -> LoopModel {
    LoopModel(
      inertia: 2.5e-3, damping: 0.02, kp: 1.5, kd: 0.06, km: 0.8, lambda: lambda,
      backCalculation: backCalculation, torqueLimit: 0.7, period: period, delayTicks: delay)
  }

  /// The source system's hand; it printed the memory with the minus sign.
  static func sourceHand(alpha: Double, memorySign: Double) -> LoopModel {
    LoopModel(
      inertia: 0.05, damping: 0.02, kp: 12 * alpha, kd: 0.6 * alpha, km: 0.8 * memorySign, lambda: 0.115,
      backCalculation: 0.02, torqueLimit: 0.7, period: 1e-3)
  }

  /// A position servo of 6 Hz and damping 0.8, commanded once a frame.
  static func servo(frame: Double, delay: Int) -> LoopModel {
    let omega = 2 * Double.pi * 6
    return LoopModel(
      inertia: 1 / (omega * omega), damping: 2 * 0.8 / omega, stiffness: 1, kp: 0.2, kd: 0, km: 0.6,
      lambda: 0.115, backCalculation: 0.02, torqueLimit: 0.1, period: frame, delayTicks: delay)
  }

  /// Memory alone, K_E = 0.3: needs K_m < 0.0187 and is far outside.
  static var memoryOnly: LoopModel {
    LoopModel(
      inertia: 2.5e-3, damping: 0.02, kp: 0, kd: 0, km: 0.3, lambda: 0.115, backCalculation: 0.02,
      torqueLimit: 0.7, period: 1e-3)
  }
}

extension SeededGenerator {
  mutating func uniform(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &self) }
}

extension JointLaw {
  /// The slope of this law's own saturation.
  func slope(demand: Double, nominalDemand: Double) -> Double {
    Self.slope(
      demand: demand, applied: saturate(demand), nominalDemand: nominalDemand,
      nominalApplied: saturate(nominalDemand))
  }
}

/// A(s, dt) written out from the equations of docs/control.md, independently of the module's own assembly.
func tickMatrix(_ model: LoopModel, slope s: Double, dt: Double) -> [[Double]] {
  let hold = ZeroOrderHold(
    inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: dt)
  let kernel = MemoryKernel(lambda: model.lambda, dt: dt)
  let nominalGain = MemoryKernel(lambda: model.lambda, dt: model.period).gain
  let h = model.backCalculation * kernel.gain / nominalGain
  let k = [model.kp, model.kd, model.km]
  let n = 3 + model.delayTicks
  var a = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
  a[0][0] = hold.a11
  a[0][1] = hold.a12
  a[1][0] = hold.a21
  a[1][1] = hold.a22
  a[2][0] = kernel.gain
  a[2][2] = kernel.phi
  for j in 0..<3 { a[2][j] -= h * (1 - s) * k[j] }
  switch model.delayTicks {
  case 0:
    for j in 0..<3 {
      a[0][j] -= s * hold.b1 * k[j]
      a[1][j] -= s * hold.b2 * k[j]
    }
  default:
    a[0][3] = hold.b1
    a[1][3] = hold.b2
    if n == 5 { a[3][4] = 1 }
    for j in 0..<3 { a[n - 1][j] = -s * k[j] }
  }
  return a
}

func apply(_ a: [[Double]], _ x: StateVector) -> StateVector {
  var y = StateVector(repeating: 0)
  for i in 0..<a.count { for j in 0..<a.count { y[i] += a[i][j] * x[j] } }
  return y
}

func isClose(_ value: Double, _ expected: Double, _ tolerance: Double) -> Bool {
  (value - expected).magnitude <= tolerance
}
