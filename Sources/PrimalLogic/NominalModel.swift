/// The loop as it should run: the model's plant, driven by the same set-points through the same law, memory,
/// saturation and delay. The certificate bounds the difference between the real loop and this one.
public struct NominalModel: BitwiseCopyable, Sendable {
  /// Angle, rad.
  public private(set) var position: Double
  /// Velocity, rad/s.
  public private(set) var velocity: Double
  /// Memory m, rad s.
  public private(set) var memory: Double
  /// v_nom, the demand of the last decided tick, N m.
  public private(set) var demand: Double
  /// τ_nom, that demand after saturation, N m.
  public private(set) var torque: Double
  /// Saturated torques on their way to the plant.
  public private(set) var delay: DelayLine

  let stiffness: Double
  let directStiffness: Double
  /// The torque that acts from the decided tick on, N m.
  public internal(set) var acting: Double
  var error: Double
  /// The unsaturated part of u, k r + k_d (r − q), with the same delay.
  var direct: DelayLine

  /// At rest at `position` (rad), with an empty memory.
  public init(_ model: LoopModel, position: Double) {
    self.position = position
    velocity = 0
    memory = 0
    demand = 0
    torque = 0
    delay = DelayLine(ticks: model.delayTicks)
    stiffness = model.stiffness
    directStiffness = model.directStiffness
    error = 0
    // The spring holds the joint where it is until the first set-point reaches the plant.
    direct = DelayLine(ticks: model.delayTicks)
    _ = direct.push(model.stiffness * position)
    _ = direct.push(model.stiffness * position)
    acting = model.stiffness * position
  }

  /// Starts anew at rest at `position` (rad), with an empty memory.
  @_noLocks
  public mutating func rest(at position: Double) {
    self.position = position
    velocity = 0
    memory = 0
    demand = 0
    torque = 0
    error = 0
    delay = DelayLine(ticks: delay.ticks)
    direct = DelayLine(ticks: direct.ticks)
    acting = stiffness * position
    _ = direct.push(acting)
    _ = direct.push(acting)
  }

  /// The law at the tick's instant: sets `demand` and `torque` and sends the torque on its way.
  /// - Parameters:
  ///   - setpoint: r, rad.
  ///   - setpointVelocity: ṙ, rad/s.
  ///   - feedForwardInertia: J r̈, N m.
  ///   - load: the part of the real joint's demand that bears its load beyond this, N m. It takes its share
  ///     of the torque limit here too. Otherwise the two would saturate at different torques, and no slope in
  ///     [0, 1] would relate them.
  ///   - law: the joint's law.
  @_noLocks
  public mutating func decide(
    setpoint: Double, setpointVelocity: Double, feedForwardInertia: Double, load: Double = 0, law: JointLaw
  ) {
    error = setpoint - position
    demand = law.demand(
      error: error, errorRate: setpointVelocity - velocity, memory: memory, feedForward: feedForwardInertia)
    torque = law.saturate(demand + load) - load
    let unsaturated = stiffness * setpoint + directStiffness * error
    acting = delay.push(torque) + direct.push(unsaturated)
  }

  /// The interval after the decided tick: memory by `kernel`, plant by `hold`, both for the time that passed.
  /// - Parameter load: the torque beyond its model that the real joint was found to bear meanwhile, N m.
  ///   Both loops get it, so it is no part of their difference: a hand that holds something is not far
  ///   from its model.
  @_noLocks
  public mutating func advance(law: JointLaw, kernel: MemoryKernel, hold: ZeroOrderHold, load: Double = 0) {
    memory = law.nextMemory(memory, error: error, demand: demand, applied: torque, kernel: kernel)
    hold.step(position: &position, velocity: &velocity, torque: acting + load)
  }

  /// As `advance(law:kernel:hold:)` for a joint whose plant others pull at: the motion comes from
  /// `CoupledPlant`.
  @_noLocks
  public mutating func advance(law: JointLaw, kernel: MemoryKernel, position: Double, velocity: Double) {
    memory = law.nextMemory(memory, error: error, demand: demand, applied: torque, kernel: kernel)
    self.position = position
    self.velocity = velocity
  }

  /// One whole tick, `decide` and `advance`, for a caller that knows the interval beforehand.
  @_noLocks
  public mutating func step(
    setpoint: Double, setpointVelocity: Double, feedForwardInertia: Double, law: JointLaw,
    kernel: MemoryKernel, hold: ZeroOrderHold
  ) {
    decide(
      setpoint: setpoint, setpointVelocity: setpointVelocity, feedForwardInertia: feedForwardInertia, law: law
    )
    advance(law: law, kernel: kernel, hold: hold)
  }

  /// x̃ = (q − q_nom, w − w_nom, −(m − m_nom), differences of the pending torques), the certificate's state
  /// just before the law of a tick.
  @_noLocks
  public func difference(
    position: Double, velocity: Double, memory: Double, pending: DelayLine
  ) -> StateVector {
    [
      position - self.position, velocity - self.velocity, self.memory - memory,
      pending.ticks > 0 ? pending.pending[0] - delay.pending[0] : 0,
      pending.ticks > 1 ? pending.pending[1] - delay.pending[1] : 0,
    ]
  }
}
