import PrimalLogic

@testable import Control

/// One loop of a servo, or of the difference to its set-point: decides now and then, moves tick by tick.
struct TickedLoop {
  var position: Double
  var velocity = 0.0
  var memory = 0.0
  private(set) var demand = 0.0
  private(set) var applied = 0.0
  private var error = 0.0
  private var acting = 0.0
  private var pending: DelayLine

  init(_ model: LoopModel, position: Double) {
    self.position = position
    pending = DelayLine(ticks: model.delayTicks)
  }

  mutating func decide(_ model: LoopModel, setpoint: Double = 0) {
    let law = JointLaw(model)
    error = setpoint - position
    demand = law.demand(error: error, errorRate: -velocity, memory: memory, feedForward: 0)
    applied = law.saturate(demand)
    // The same set-point adds to the command of both loops, and is left out.
    acting = pending.push(applied)
  }

  mutating func move(_ model: LoopModel, dt: Double) {
    ZeroOrderHold(inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: dt)
      .step(position: &position, velocity: &velocity, torque: acting)
  }

  mutating func fade(_ model: LoopModel, dt: Double) {
    memory = JointLaw(model).nextMemory(
      memory, error: error, demand: demand, applied: applied,
      kernel: MemoryKernel(lambda: model.lambda, dt: dt))
  }

  mutating func pass(_ model: LoopModel, ticks: Int, dt: Double) {
    for _ in 0..<ticks { move(model, dt: dt) }
    fade(model, dt: dt * Double(ticks))
  }

  func difference(_ other: Self) -> StateVector {
    [
      position - other.position, velocity - other.velocity, other.memory - memory,
      pending.pending[0] - other.pending.pending[0], pending.pending[1] - other.pending.pending[1],
    ]
  }
}
