/// Joints that a pose lists together: a finger's, or a single one that belongs to no finger.
package struct JointGroup: Sendable, Equatable {
  /// The finger's name, or the joint's.
  package var name: String
  /// Indices into `Board.joints`, in the board's order.
  package var joints: [Int]
  /// Whether the board declares it, so that its joints may pull at each other.
  package var isFinger: Bool
}

extension Board {
  /// The fingers and the joints of none, in the order of their first joints.
  package var fingers: [JointGroup] {
    var groups: [JointGroup] = []
    for (index, joint) in joints.enumerated() {
      if let finger = joint.finger, let group = groups.firstIndex(where: { $0.isFinger && $0.name == finger })
      {
        groups[group].joints.append(index)
      } else {
        groups.append(
          JointGroup(name: joint.finger ?? joint.name, joints: [index], isFinger: joint.finger != nil))
      }
    }
    return groups
  }
}
