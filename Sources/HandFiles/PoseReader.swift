import HandModel

/// Reads `poses_degrees` of a calibration file: to the name of each pose a table with a list of angles a
/// finger, and one of a single angle for a joint that belongs to no finger.
struct PoseReader {
  let reader: MappingReader
  let board: Board
  /// Those that could be read.
  let joints: [JointCalibration]

  func read() -> [Pose] {
    guard let section = reader.section("poses_degrees") else { return [] }
    let names = section.keys
    if !names.contains("open") {
      section.report("open", found: "nothing", expected: "the pose open, which every hand has")
    }
    let limit = Calibration.FileLimits.poses
    if names.count > limit {
      reader.report("poses_degrees", found: "\(names.count) poses", expected: "at most \(limit)")
      return []
    }
    return names.compactMap { name in
      if !MappingReader.isName(name) {
        section.report(name, found: "this name", expected: MappingReader.nameText)
      }
      guard let table = section.section(name) else { return nil }
      return Pose(name: name, radians: read(table))
    }
  }

  private func read(_ table: MappingReader) -> [Double] {
    var radians = [Double](repeating: 0, count: board.joints.count)
    for finger in board.fingers {
      guard
        let degrees = table.numbers(
          finger.name, count: finger.joints.count, Calibration.FileLimits.degrees)
      else { continue }
      for (item, joint) in finger.joints.enumerated() {
        radians[joint] = degrees[item] * .pi / 180
        let name = board.joints[joint].name
        // Limits the wrong way round are reported where they stand, not by every pose.
        guard let limits = joints.first(where: { $0.name == name })?.limits,
          limits.lowerRadians < limits.upperRadians,
          radians[joint] < limits.lowerRadians || radians[joint] > limits.upperRadians
        else { continue }
        table.report(
          finger.name, item: item, found: "\(degrees[item]) degrees (\(radians[joint]) rad)",
          expected: "\(limits.lowerRadians) to \(limits.upperRadians) rad, the limits of \(name)")
      }
    }
    table.finish(
      kindOfKey: "finger", hint: "a finger is declared in the board file, `finger: NAME` at its joints")
    return radians
  }
}
