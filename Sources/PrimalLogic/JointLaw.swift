/// Exact decay of the fading memory m' = −λ m + e over one tick with e held: m⁺ = φ m + g e.
public struct MemoryKernel: BitwiseCopyable, Sendable {
  /// φ = exp(−λ dt).
  public var phi: Double
  /// g = (1 − φ)/λ, s; dt for λ = 0.
  public var gain: Double

  /// - Parameters:
  ///   - lambda: λ ≥ 0, 1/s.
  ///   - dt: time that really passed, s.
  @_noLocks
  public init(lambda: Double, dt: Double) {
    let z = lambda * dt
    phi = exponential(-z)
    gain = dt * decayMean(z)
  }

  init(phi: Double, gain: Double) {
    self.phi = phi
    self.gain = gain
  }
}

/// The law of one joint: v = g_ff + Kp e + Kd ė + K_m m, τ = sat(v), and the memory with back-calculation
/// (docs/control.md, "The law").
public struct JointLaw: BitwiseCopyable, Sendable {
  /// Kp, N m/rad.
  public let kp: Double
  /// Kd, N m s/rad.
  public let kd: Double
  /// K_m, N m/(rad s).
  public let km: Double
  /// τ_max, N m.
  public let torqueLimit: Double
  /// Back-calculation per second of memory gain, h / g(period), rad/(N m): h(dt) is this times g(dt),
  /// so that the memory's rest point under full saturation does not depend on dt.
  public let backCalculationRate: Double

  /// The law of `model`, whose fields `certify` has found valid.
  public init(_ model: LoopModel) {
    kp = model.kp
    kd = model.kd
    km = model.km
    torqueLimit = model.torqueLimit
    backCalculationRate =
      model.backCalculation / MemoryKernel(lambda: model.lambda, dt: model.period).gain
  }

  /// v, the torque asked for before any limit, N m.
  /// - Parameters:
  ///   - error: e = r − q, rad.
  ///   - errorRate: ṙ − w, rad/s.
  ///   - memory: m, rad s.
  ///   - feedForward: load, friction and J r̈, N m.
  @_noLocks
  public func demand(error: Double, errorRate: Double, memory: Double, feedForward: Double) -> Double {
    feedForward + kp * error + kd * errorRate + km * memory
  }

  /// τ = v limited to ±`torqueLimit`. NaN becomes 0: a limit must never pass what it cannot compare.
  @_noLocks
  public func saturate(_ v: Double) -> Double {
    if v > torqueLimit { return torqueLimit }
    if v < -torqueLimit { return -torqueLimit }
    return v == v ? v : 0
  }

  /// The memory after the interval the kernel stands for:
  /// m⁺ = φ m + g e − h(dt) (v − τ), h(dt) = h g(dt)/g(period).
  ///
  /// `error`, `demand` and `applied` are those of the tick at the interval's start. A tick that knows only
  /// the time that has passed calls this before it computes its own error, as the certificate assumes.
  @_noLocks
  public func nextMemory(
    _ memory: Double, error: Double, demand: Double, applied: Double, kernel: MemoryKernel
  ) -> Double {
    kernel.phi * memory + kernel.gain * (error - backCalculationRate * (demand - applied))
  }

  /// The slope s in [0, 1] by which limits acted on the difference of two demands:
  /// s = (τ − τ_nom) / (v − v_nom), 1 while both are applied as demanded.
  @_noLocks
  public static func slope(
    demand: Double, applied: Double, nominalDemand: Double, nominalApplied: Double
  ) -> Double {
    if demand == applied && nominalDemand == nominalApplied { return 1 }
    let difference = demand - nominalDemand
    // Equal demands stay equal, whatever the slope. At the limit the smallest slope is the honest one.
    guard difference != 0 else { return 0 }
    return min(max((applied - nominalApplied) / difference, 0), 1)
  }
}

/// Torques decided but not yet at the plant: an actuator delay of 0 to `maximumDelayTicks` whole ticks.
public struct DelayLine: BitwiseCopyable, Sendable {
  /// Whole ticks of delay.
  public let ticks: Int
  /// Pending torques, the one that reaches the plant next first, N m.
  public private(set) var pending: InlineArray<2, Double> = [0, 0]

  /// - Parameter ticks: 0 to `maximumDelayTicks`; other values are clamped.
  @_noLocks
  public init(ticks: Int) {
    self.ticks = min(max(ticks, 0), 2)
  }

  /// Takes in the torque decided now and returns the one that acts from now on.
  @_noLocks
  public mutating func push(_ torque: Double) -> Double {
    if ticks == 0 { return torque }
    let acting = pending[0]
    if ticks == 1 {
      pending[0] = torque
    } else {
      pending[0] = pending[1]
      pending[1] = torque
    }
    return acting
  }
}
