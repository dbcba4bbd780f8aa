import Glibc

/// A hand as a tree of links, for viewers to draw: a palm, and each finger a chain of revolute joints in the
/// board's order. Angles, limits and names are the hand's own. Lengths, places and axes are made up, because
/// no file of a hand has them: the picture shows which joint moves how far, not where a fingertip is.
package struct HandSketch: Sendable {
  /// What is known of a joint.
  package struct Joint: Sendable {
    /// As in the board file.
    package var name: String
    /// The finger that the board says it belongs to; joints of none are guessed by their names.
    package var finger: String?
    /// Angles it may have, rad.
    package var range: ClosedRange<Double>
    package var radiansPerSecond: Double
    /// Largest torque; 0 where a servo's is not known.
    package var newtonMetres: Double

    package init(
      name: String, finger: String?, range: ClosedRange<Double>, radiansPerSecond: Double,
      newtonMetres: Double
    ) {
      self.name = name
      self.finger = finger
      self.range = range
      self.radiansPerSecond = radiansPerSecond
      self.newtonMetres = newtonMetres
    }
  }

  struct Vector: Equatable {
    var x = 0.0
    var y = 0.0
    var z = 0.0
  }

  /// A unit quaternion.
  struct Rotation: Equatable {
    var x = 0.0
    var y = 0.0
    var z = 0.0
    var w = 1.0

    /// A turn about a unit vector.
    init(about axis: Vector, radians: Double) {
      let half = sin(radians / 2)
      (x, y, z, w) = (axis.x * half, axis.y * half, axis.z * half, cos(radians / 2))
    }

    private init(x: Double, y: Double, z: Double, w: Double) {
      (self.x, self.y, self.z, self.w) = (x, y, z, w)
    }

    /// `second` in the frame that `first` has turned.
    static func * (first: Rotation, second: Rotation) -> Rotation {
      Rotation(
        x: first.w * second.x + first.x * second.w + first.y * second.z - first.z * second.y,
        y: first.w * second.y - first.x * second.z + first.y * second.w + first.z * second.x,
        z: first.w * second.z + first.x * second.y - first.y * second.x + first.z * second.w,
        w: first.w * second.w - first.x * second.x - first.y * second.y - first.z * second.z)
    }
  }

  /// A joint with the link that it moves. The frame has x along the finger, y towards the thumb and z out of
  /// the back of the hand, so that a positive turn about y bends a finger.
  struct Link {
    var joint: Joint
    var parent: String
    /// Place of the joint in the parent's frame, m.
    var origin: Vector
    /// Turn of the joint's frame in the parent's about z, rad.
    var yaw: Double
    var axis: Vector
    /// From the joint to the next one, m.
    var length: Double
    /// Of the cylinder that is drawn, m.
    var radius: Double

    /// Frame and link of a joint.
    var name: String { joint.name + "_link" }

    /// The link's turn in its parent's frame.
    func rotation(radians: Double) -> Rotation {
      Rotation(about: Vector(z: 1), radians: yaw) * Rotation(about: axis, radians: radians)
    }
  }

  /// The palm of a grown-up hand: length, breadth, thickness, m.
  private static let palm = Vector(x: 0.085, y: 0.080, z: 0.022)
  /// Of the first link of a finger, m; each one after it has this share of the one before, as phalanges
  /// nearly have.
  private static let firstLength = 0.045
  private static let shrink = 0.68
  /// A joint that spreads a finger lies close to the one that bends it, m.
  private static let spreadLength = 0.010
  private static let radius = 0.008
  /// Where the thumb points, rad.
  private static let thumbYaw = 0.9
  /// A joint that reaches as far to both sides spreads; one that bends reaches further to one, rad.
  private static let symmetry = 0.01

  /// In the board's order.
  let links: [Link]
  /// Of the tree: the forearm where joints of a wrist carry the palm, else the palm.
  let root: String
  private let name: String
  private let palmParent: String?

  /// - Parameters:
  ///   - name: of the hand.
  ///   - joints: in the board's order, from the palm to the tip within a finger.
  package init(name: String, joints: [Joint]) {
    self.name = name
    let groups = joints.map { $0.finger ?? Self.guessedGroup($0.name) }
    let isWrist = groups.map(Self.isWrist)
    let lastWrist = isWrist.lastIndex(of: true)
    root = lastWrist == nil ? Self.palmName : "forearm"
    palmParent = lastWrist.map { joints[$0].name + "_link" }
    var fingers: [String] = []
    for (group, isWrist) in zip(groups, isWrist)
    where !isWrist && !Self.isThumb(group) && !fingers.contains(group) {
      fingers.append(group)
    }
    var ends: [String: Link] = [:]
    var wristEnd: Link?
    var bends: [String: Int] = [:]
    var links: [Link] = []
    for (index, joint) in joints.enumerated() {
      let group = groups[index]
      let before = isWrist[index] ? wristEnd : ends[group]
      var link = Link(
        joint: joint, parent: before?.name ?? (isWrist[index] ? root : Self.palmName),
        origin: before.map { Vector(x: $0.length) } ?? Vector(), yaw: 0,
        axis: Self.spreads(joint) ? Vector(z: 1) : Vector(y: 1), length: Self.spreadLength,
        radius: Self.radius)
      if isWrist[index] {
        wristEnd = link
      } else {
        if before == nil { Self.place(&link, group, fingers) }
        if !Self.spreads(joint) {
          let bend = bends[group, default: 0]
          bends[group] = bend + 1
          link.length = Self.firstLength * pow(Self.shrink, Double(bend))
          link.radius = Self.radius * pow(0.9, Double(bend))
        }
        ends[group] = link
      }
      links.append(link)
    }
    self.links = links
  }

  private static let palmName = "palm"

  /// Puts the first link of a finger at the palm's edge: fingers side by side in their order, the thumb
  /// beside the first of them.
  private static func place(_ link: inout Link, _ group: String, _ fingers: [String]) {
    guard let place = fingers.firstIndex(of: group) else {
      link.origin = Vector(x: palm.x * 0.25, y: palm.y / 2)
      link.yaw = thumbYaw
      return
    }
    let step = palm.y / Double(fingers.count)
    link.origin = Vector(x: palm.x, y: palm.y / 2 - (Double(place) + 0.5) * step)
  }

  /// What stands before the last `-` or `_`; of a name such as FFJ4 what stands before J.
  private static func guessedGroup(_ name: String) -> String {
    let parts = name.split { $0 == "-" || $0 == "_" }
    if parts.count > 1 { return parts.dropLast().joined(separator: "-") }
    if let last = name.lastIndex(of: "J"), last > name.startIndex,
      name[last...].dropFirst().allSatisfy(\.isNumber)
    {
      return String(name[..<last])
    }
    return name
  }

  private static func isWrist(_ group: String) -> Bool {
    group.lowercased().hasPrefix("wrist") || group == "WR"
  }

  private static func isThumb(_ group: String) -> Bool {
    group.lowercased().hasPrefix("thumb") || group == "TH"
  }

  private static func spreads(_ joint: Joint) -> Bool {
    let (lower, upper) = (joint.range.lowerBound, joint.range.upperBound)
    return joint.name.lowercased().contains("abd") || (lower < 0 && abs(lower + upper) < symmetry)
  }
}

extension HandSketch {
  /// The description that viewers draw: URDF 1.0.
  var urdf: String {
    var text = "<?xml version=\"1.0\"?>\n<robot name=\"\(Self.escaped(name))\">\n"
    text += "  <!-- Lengths, places and axes are illustrative; names and limits are the hand's. -->\n"
    if root != Self.palmName { text += "  <link name=\"\(root)\"/>\n" }
    let palm = Self.palm
    text += """
        <link name="\(Self.palmName)">
          <visual>
            <origin xyz="\(palm.x / 2) 0 0"/>
            <geometry><box size="\(palm.x) \(palm.y) \(palm.z)"/></geometry>
            <material name="palm"><color rgba="0.55 0.57 0.60 1"/></material>
          </visual>
        </link>

      """
    if let palmParent {
      text += """
          <joint name="palm-mount" type="fixed">
            <parent link="\(Self.escaped(palmParent))"/>
            <child link="\(Self.palmName)"/>
            <origin xyz="\(Self.spreadLength) 0 0"/>
          </joint>

        """
    }
    for link in links { text += Self.urdf(link) }
    return text + "</robot>\n"
  }

  /// Where the palm lies on the wrist; nil where it is the root.
  var palmTransform: (parent: String, child: String, origin: Vector)? {
    palmParent.map { ($0, Self.palmName, Vector(x: Self.spreadLength)) }
  }

  private static func urdf(_ link: Link) -> String {
    let (joint, name) = (link.joint, escaped(link.name))
    // A cylinder of URDF stands along z; a quarter turn about y lays it along the finger.
    return """
        <link name="\(name)">
          <visual>
            <origin xyz="\(link.length / 2) 0 0" rpy="0 \(Double.pi / 2) 0"/>
            <geometry><cylinder radius="\(link.radius)" length="\(link.length)"/></geometry>
            <material name="finger"><color rgba="0.20 0.45 0.70 1"/></material>
          </visual>
        </link>
        <joint name="\(escaped(joint.name))" type="revolute">
          <parent link="\(escaped(link.parent))"/>
          <child link="\(name)"/>
          <origin xyz="\(link.origin.x) \(link.origin.y) \(link.origin.z)" rpy="0 0 \(link.yaw)"/>
          <axis xyz="\(link.axis.x) \(link.axis.y) \(link.axis.z)"/>
          <limit lower="\(joint.range.lowerBound)" upper="\(joint.range.upperBound)" \
      effort="\(joint.newtonMetres)" velocity="\(joint.radiansPerSecond)"/>
        </joint>

      """
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
