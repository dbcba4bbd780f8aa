import HandModel
import PrimalLogic

/// A finger whose joints pull at each other: one block with one certificate.
package struct CoupledFinger: Sendable {
  /// Name of the finger.
  package let name: String
  /// Indices of its joints, in the board's order.
  package let joints: [Int]
  package let model: CoupledModel
  package let certificate: CoupledCertificate
  /// Root mean square of V that the observers' corrections alone make.
  let noiseDistance: Double

  init(
    _ coupling: FingerCoupling, model: CoupledModel, certificate: CoupledCertificate,
    observerGains: [Observer.Gains]
  ) {
    name = coupling.finger
    joints = coupling.joints
    self.model = model
    self.certificate = certificate
    noiseDistance = model.noiseDistance(certificate, observerGains)
  }
}

/// The coupled fingers as the tick sees them: what their joints need of each other. All of it is computed
/// anew in each tick, so that a checkpoint needs none of it. Owns its memory.
struct CoupledFingers: ~Copyable {
  private struct Finger: BitwiseCopyable {
    var count: Int
    var stateCount: Int
    /// Indices of the joints; a missing third repeats the second and counts for nothing.
    var first: Int
    var second: Int
    var third: Int
    var plant: CoupledPlant
    var p: UnsafeMutablePointer<Double>
    /// Room for the stacked difference.
    var difference: UnsafeMutablePointer<Double>

    @_noLocks
    func joint(_ member: Int) -> Int { member == 0 ? first : (member == 1 ? second : third) }
  }

  /// What a tick finds for a joint; for one alone it stays 0.
  struct Share: BitwiseCopyable {
    /// Σ K q over the interval that has passed, from the estimates, N m.
    var pull = 0.0
    /// Σ K r of the set-points, N m.
    var feedForward = 0.0
    /// V of the finger.
    var distance = 0.0
    /// The smallest slope of the finger's joints in their last decision.
    var slope = 1.0
    /// Whether any joint of the finger is where the model does not hold.
    var isOutside = false
    /// Whether the load of any joint of the finger has changed since its window of the decay test began.
    var hasLoadStepped = false
  }

  private let count: Int
  private let fingers: UnsafeMutablePointer<Finger>
  private let shares: UnsafeMutablePointer<Share>

  init(_ parameters: [JointParameters]) {
    var found: [CoupledFinger] = []
    for finger in parameters.compactMap(\.coupled) where !found.contains(where: { $0.name == finger.name }) {
      found.append(finger)
    }
    count = found.count
    fingers = .allocate(capacity: found.count)
    shares = .allocate(capacity: parameters.count)
    shares.initialize(repeating: Share(), count: parameters.count)
    for (index, finger) in found.enumerated() {
      let n = finger.certificate.stateCount
      let p = UnsafeMutablePointer<Double>.allocate(capacity: n * n)
      p.initialize(from: finger.certificate.p, count: n * n)
      let difference = UnsafeMutablePointer<Double>.allocate(capacity: n)
      difference.initialize(repeating: 0, count: n)
      let joints = finger.joints
      (fingers + index).initialize(
        to: Finger(
          count: joints.count, stateCount: n, first: joints[0], second: joints[1],
          third: joints[joints.count - 1], plant: finger.model.plant, p: p, difference: difference))
    }
  }

  deinit {
    for index in 0..<count {
      fingers[index].p.deallocate()
      fingers[index].difference.deallocate()
    }
    fingers.deallocate()
    shares.deallocate()
  }

  @_noLocks
  func share(_ joint: Int) -> UnsafePointer<Share> { UnsafePointer(shares + joint) }

  /// Before the samples are taken in: the pull on each joint over the interval of `dt` seconds that ends now,
  /// where the estimates say the joints were in the middle of it.
  @_noLocks
  func pull(_ joints: JointStates, dt: Double) {
    for index in 0..<count {
      let finger = fingers + index
      let (first, second, third) = (finger.pointee.first, finger.pointee.second, finger.pointee.third)
      let torques = finger.pointee.plant.torques(
        at: CoupledPlant.Triple(
          Self.middle(joints[first], dt), Self.middle(joints[second], dt),
          finger.pointee.count > 2 ? Self.middle(joints[third], dt) : 0))
      (shares + first).pointee.pull = torques.a
      (shares + second).pointee.pull = torques.b
      if finger.pointee.count > 2 { (shares + third).pointee.pull = torques.c }
    }
  }

  @_noLocks
  private static func middle(_ joint: UnsafePointer<JointState>, _ dt: Double) -> Double {
    joint.pointee.observer.position + 0.5 * dt * joint.pointee.observer.velocity
  }

  /// Before the law decides: memories, nominal models and set-points of the fingers over the interval that
  /// has passed, and what follows from all of a finger's joints together.
  /// - Parameter checks: whether distance and certificate are looked at.
  @_noLocks
  func advance(
    _ joints: JointStates, dt: Double, _ records: JointRecords,
    checks: Bool
  ) {
    for index in 0..<count {
      let finger = fingers + index
      if joints[finger.pointee.first].pointee.hasDecided { move(finger, joints, dt: dt) }
      feedForward(finger, joints)
      if checks { measure(finger, joints, records) }
    }
  }

  @_noLocks
  private func move(
    _ finger: UnsafeMutablePointer<Finger>, _ joints: JointStates, dt: Double
  ) {
    let a = joints[finger.pointee.first]
    let b = joints[finger.pointee.second]
    let c = joints[finger.pointee.third]
    let hasThird = finger.pointee.count > 2
    var q = CoupledPlant.Triple(
      a.pointee.nominal.position, b.pointee.nominal.position, hasThird ? c.pointee.nominal.position : 0)
    var w = CoupledPlant.Triple(
      a.pointee.nominal.velocity, b.pointee.nominal.velocity, hasThird ? c.pointee.nominal.velocity : 0)
    let u = CoupledPlant.Triple(Self.input(a), Self.input(b), hasThird ? Self.input(c) : 0)
    finger.pointee.plant.advance(positions: &q, velocities: &w, inputs: u, dt: dt)
    a.pointee.advanceLaw(position: q.a, velocity: w.a, dt: dt)
    b.pointee.advanceLaw(position: q.b, velocity: w.b, dt: dt)
    if hasThird { c.pointee.advanceLaw(position: q.c, velocity: w.c, dt: dt) }
  }

  /// What acts on a nominal joint: its torque, and the load that the real one was found to bear.
  @_noLocks
  private static func input(_ joint: UnsafePointer<JointState>) -> Double {
    joint.pointee.nominal.acting + joint.pointee.actingLoad
  }

  @_noLocks
  private func feedForward(
    _ finger: UnsafeMutablePointer<Finger>, _ joints: JointStates
  ) {
    let (first, second, third) = (finger.pointee.first, finger.pointee.second, finger.pointee.third)
    let torques = finger.pointee.plant.torques(
      at: CoupledPlant.Triple(
        joints[first].pointee.trajectory.position, joints[second].pointee.trajectory.position,
        finger.pointee.count > 2 ? joints[third].pointee.trajectory.position : 0))
    (shares + first).pointee.feedForward = torques.a
    (shares + second).pointee.feedForward = torques.b
    if finger.pointee.count > 2 { (shares + third).pointee.feedForward = torques.c }
  }

  @_noLocks
  private func measure(
    _ finger: UnsafeMutablePointer<Finger>, _ joints: JointStates,
    _ records: JointRecords
  ) {
    let count = finger.pointee.count
    let x = finger.pointee.difference
    var next = 0
    var slope = 1.0
    var isOutside = false
    var hasLoadStepped = false
    for member in 0..<count {
      let j = finger.pointee.joint(member)
      let joint = joints[j]
      let position = joint.pointee.observer.position
      let own = joint.pointee.nominal.difference(
        position: position, velocity: joint.pointee.observer.velocity, memory: joint.pointee.memory,
        pending: joint.pointee.pending)
      x[next] = own[0]
      x[next + 1] = own[1]
      x[next + 2] = own[2]
      let pending = joint.pointee.pending.ticks
      if pending > 0 { x[next + 3] = own[3] }
      if pending > 1 { x[next + 4] = own[4] }
      next += 3 + pending
      if joint.pointee.slope < slope { slope = joint.pointee.slope }
      if joint.pointee.isAtEndStop
        || records[j].pointee.flags & JointFlags.stale != 0
        || joint.pointee.held.flags & JointFlags.rateLimited != 0
      {
        isOutside = true
      }
      if joint.pointee.monitor.hasStepped(
        load: joint.pointee.observer.load, limits: joint.pointee.constants.monitor)
      {
        hasLoadStepped = true
      }
    }
    let n = finger.pointee.stateCount
    var squared = 0.0
    for i in 0..<n {
      let row = finger.pointee.p + i * n
      var sum = 0.0
      for k in 0..<n { sum += row[k] * x[k] }
      squared += x[i] * sum
    }
    for member in 0..<count {
      let share = shares + finger.pointee.joint(member)
      share.pointee.distance = root(squared)
      share.pointee.slope = slope
      share.pointee.isOutside = isOutside
      share.pointee.hasLoadStepped = hasLoadStepped
    }
  }
}

extension JointState {
  /// Memory, nominal model and set-point over the interval that has passed, for a joint of a coupled finger
  /// whose nominal motion the finger's plant has found.
  @_noLocks
  fileprivate mutating func advanceLaw(position: Double, velocity: Double, dt: Double) {
    let kernel = kernel
    memory = law.nextMemory(memory, error: error, demand: demand, applied: torque, kernel: kernel)
    nominal.advance(law: law, kernel: kernel, position: position, velocity: velocity)
    moveSetPoint(dt: dt)
  }
}
