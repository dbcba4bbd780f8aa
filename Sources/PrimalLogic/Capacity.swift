/// Joints a hand may have. Every real-time structure is sized by it, so that nothing on the real-time path
/// allocates; 16 holds the 15 finger joints of an anatomical hand and a wrist.
public let maximumJoints = 16

/// One value a joint, stored inline. Entries at and beyond the hand's joint count are unused.
public typealias PerJoint<Value> = InlineArray<16, Value>
