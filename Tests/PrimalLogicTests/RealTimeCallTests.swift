import PrimalLogic
import Testing

/// A tick as another module writes it. The annotation makes the compiler check every call below: this file
/// not compiling is the failure.
@_noLocks
private func tick(
  law: JointLaw, nominal: inout NominalModel, observer: inout Observer, gains: Observer.Schedule,
  delay: inout DelayLine,
  certificate: CertificateTable, window: inout WindowProduct, model: LoopModel, measured: Double
) -> Double {
  let kernel = MemoryKernel(lambda: model.lambda, dt: model.period)
  let hold = ZeroOrderHold(
    inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: model.period)
  nominal.advance(law: law, kernel: kernel, hold: hold)
  observer.predict(torque: nominal.torque, hold: hold)
  observer.correct(measured: measured, age: 0, gains: gains.after(model.period))
  nominal.decide(setpoint: 0.5, setpointVelocity: 0, feedForwardInertia: 0, law: law)
  let v = law.demand(
    error: 0.5 - observer.position, errorRate: -observer.velocity, memory: 0, feedForward: 0)
  let torque = law.saturate(v)
  _ = delay.push(torque)
  _ = law.nextMemory(0, error: 0.5, demand: v, applied: torque, kernel: kernel)
  let slope = JointLaw.slope(
    demand: v, applied: torque, nominalDemand: nominal.demand, nominalApplied: nominal.torque)
  let found = certificate.lookup(dt: model.period, slope: slope)
  window.push(found.valid ? found.logarithm : 0)
  if window.isFull && window.sum >= 0 { window.reset() }
  let x = nominal.difference(
    position: observer.position, velocity: observer.velocity, memory: 0, pending: delay)
  return certificate.distanceSquared(x) + window.product + exponential(-observer.innovation)
}
