/// Most joints of a hand. Every real-time structure is sized by it, so that nothing on the real-time path
/// allocates. Robotic hands have up to 24 joints, some a wrist as well.
public let maximumJoints = 32

/// One value a joint, stored inline. Entries at and beyond the hand's joint count are unused.
public typealias PerJoint<Value> = InlineArray<32, Value>

/// Bit j: joint j.
public typealias JointMask = UInt32
