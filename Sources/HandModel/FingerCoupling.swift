/// The joints of a finger that pull at each other, by a tendon over several of them or by the weight of what
/// they carry: J_i q_i'' + b_i q_i' + Σ_j K_ij q_j = τ_i, angles counted from the encoders' zeros.
package struct FingerCoupling: Sendable, Equatable {
  /// Name of the finger, unique.
  package var finger: String
  /// All joints of the finger, two or three motors, in the board's order.
  package var joints: [Int]
  /// K, N m/rad, row by row: symmetric, positive semidefinite, with an entry off the diagonal.
  package var stiffness: [Double]

  package init(finger: String, joints: [Int], stiffness: [Double]) {
    self.finger = finger
    self.joints = joints
    self.stiffness = stiffness
  }
}
