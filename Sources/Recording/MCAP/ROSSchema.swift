/// A message type of ROS 2 with its definition, so that a reader needs no ROS. Written from the interface
/// definitions of ROS 2 Jazzy (common_interfaces, geometry2, rcl_interfaces), without their comments.
struct ROSSchema: Sendable, Equatable {
  /// Such as `sensor_msgs/msg/JointState`.
  var name: String
  /// The type, then each type that it uses, as `ros2msg` has it.
  var definition: String

  private init(_ name: String, _ definition: String, uses parts: [(String, String)] = []) {
    self.name = name
    let rule = String(repeating: "=", count: 80)
    self.definition = parts.reduce(definition) { $0 + "\n\(rule)\nMSG: \($1.0)\n\($1.1)" }
  }

  private static let time = ("builtin_interfaces/Time", "int32 sec\nuint32 nanosec")
  private static let header = ("std_msgs/Header", "builtin_interfaces/Time stamp\nstring frame_id")

  /// Angles, speeds and torques of named joints.
  static let jointState = ROSSchema(
    "sensor_msgs/msg/JointState",
    "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort",
    uses: [header, time])

  /// Where frames lie in others.
  static let transforms = ROSSchema(
    "tf2_msgs/msg/TFMessage", "geometry_msgs/TransformStamped[] transforms",
    uses: [
      (
        "geometry_msgs/TransformStamped",
        "std_msgs/Header header\nstring child_frame_id\ngeometry_msgs/Transform transform"
      ),
      (
        "geometry_msgs/Transform",
        "geometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation"
      ),
      ("geometry_msgs/Vector3", "float64 x\nfloat64 y\nfloat64 z"),
      ("geometry_msgs/Quaternion", "float64 x 0\nfloat64 y 0\nfloat64 z 0\nfloat64 w 1"),
      header, time,
    ])

  /// A text: the robot description.
  static let text = ROSSchema("std_msgs/msg/String", "string data")

  /// A line of a log.
  static let log = ROSSchema(
    "rcl_interfaces/msg/Log",
    """
    byte DEBUG=10
    byte INFO=20
    byte WARN=30
    byte ERROR=40
    byte FATAL=50
    builtin_interfaces/Time stamp
    uint8 level
    string name
    string msg
    string file
    string function
    uint32 line
    """, uses: [time])

  /// Numbers without names. Of the plain types it is the one that Rerun, Foxglove and PlotJuggler all draw as
  /// curves; a `std_msgs/msg/Float64` Rerun keeps as a structure.
  static let numbers = ROSSchema(
    "std_msgs/msg/Float64MultiArray", "std_msgs/MultiArrayLayout layout\nfloat64[] data",
    uses: [
      ("std_msgs/MultiArrayLayout", "std_msgs/MultiArrayDimension[] dim\nuint32 data_offset"),
      ("std_msgs/MultiArrayDimension", "string label\nuint32 size\nuint32 stride"),
    ])
}
