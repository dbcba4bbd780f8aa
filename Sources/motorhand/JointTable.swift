import Foundation
import Wire

/// A line a joint, with the columns for which a screen has room.
struct JointTable {
  private enum Column: Int, CaseIterable {
    case position, setpoint, velocity, output, current, lipschitz

    /// In the order in which a narrow screen gives them up, last first.
    static let byImportance: [Column] = [.position, .setpoint, .lipschitz, .output, .velocity, .current]
  }

  /// Cells of a number: sign, two digits, point, four digits.
  private static let numberColumns = 8
  /// Of L: "0.999332247" and "UNCERTIFIED".
  private static let wordColumns = 11
  /// Of an output whose unit differs from joint to joint.
  private static let mixedColumns = 11
  /// Names have at most 64 characters; longer ones than these give way to numbers.
  private static let nameColumns = 24
  /// A bar with fewer cells shows nothing that the numbers do not.
  private static let barCells = 8...24
  private static let barTitles = ["position ▌ set-point │", "q ▌ r │"]
  /// Full scale of the bars: the range of a finger joint.
  private static let barRadians = 1.6

  private let snapshot: HandSnapshot
  private let isDegrees: Bool
  private let nameWidth: Int
  private var columns: [Column] = []
  private var barWidth = 0

  /// - Parameter columns: of the screen.
  init(_ snapshot: HandSnapshot, columns screen: Int, isDegrees: Bool) {
    self.snapshot = snapshot
    self.isDegrees = isDegrees
    let names = snapshot.joints.map { ScreenText($0.name).width }.max() ?? 0
    let first = Self.numberColumns + 1
    nameWidth = max(min(max(names, 5), Self.nameColumns, screen - first), 1)
    var left = screen - nameWidth
    for column in Column.byImportance {
      guard left > width(column) else { break }
      left -= width(column) + 1
      columns.append(column)
    }
    columns.sort { $0.rawValue < $1.rawValue }
    // A space and two brackets.
    if columns.count == Column.allCases.count, left >= Self.barCells.lowerBound + 3 {
      barWidth = min(left - 3, Self.barCells.upperBound)
    }
  }

  /// At most `limit` lines, the last of them with the number of joints for which there was no room; those
  /// with something to tell come first then.
  func lines(atMost limit: Int) -> [ScreenText] {
    let joints = snapshot.joints
    // A title and a joint, and how many more there are.
    guard !joints.isEmpty, limit > joints.count || limit >= 3 else { return [] }
    guard limit <= joints.count else { return [title] + joints.map(line) }
    let urgent = joints.filter(isUrgent) + joints.filter { !isUrgent($0) }
    let shown = limit - 2
    return [title] + urgent.prefix(shown).map(line) + [ScreenText("… \(joints.count - shown) more", .faint)]
  }

  private func isUrgent(_ joint: HandSnapshot.Joint) -> Bool {
    joint.isStale || joint.name == snapshot.faultJoint
  }

  private func width(_ column: Column) -> Int {
    switch column {
    case .lipschitz: Self.wordColumns
    case .output: isMixed ? Self.mixedColumns : Self.numberColumns
    default: Self.numberColumns
    }
  }

  private var servos: Int { snapshot.joints.count { $0.actuator == "servo" } }
  private var isMixed: Bool { servos > 0 && servos < snapshot.joints.count }
  private var angleUnit: String { isDegrees ? "°" : "rad" }

  private var title: ScreenText {
    var line = ScreenText("joint").padded(to: nameWidth)
    if barWidth > 0 {
      let titles = Self.barTitles.map { ScreenText($0) }
      let title = titles.first { $0.width <= barWidth + 2 } ?? ScreenText()
      line = line + ScreenText(" ") + title.padded(to: barWidth + 2)
    }
    for column in columns {
      let text =
        switch column {
        case .position: "q \(angleUnit)"
        case .setpoint: "r \(angleUnit)"
        case .velocity: "w \(angleUnit)/s"
        case .output: isMixed ? "output" : servos > 0 ? "u \(angleUnit)" : "τ N m"
        case .current: "i A"
        case .lipschitz: "L"
        }
      line = line + right(ScreenText(text), column)
    }
    return line
  }

  private func line(_ joint: HandSnapshot.Joint) -> ScreenText {
    var line = ScreenText(joint.name).padded(to: nameWidth)
    if barWidth > 0 { line.append(" [" + bar(joint) + "]") }
    for column in columns { line = line + right(cell(column, joint), column) }
    return line
  }

  private func right(_ text: ScreenText, _ column: Column) -> ScreenText {
    ScreenText(String(repeating: " ", count: 1 + max(width(column) - text.width, 0))) + text
  }

  private func cell(_ column: Column, _ joint: HandSnapshot.Joint) -> ScreenText {
    switch column {
    case .position: joint.isStale ? ScreenText("STALE", .red) : ScreenText(angle(joint.positionRadians))
    case .setpoint: ScreenText(angle(joint.setpointRadians))
    case .velocity:
      ScreenText(
        isDegrees
          ? Self.number(joint.velocityRadiansPerSecond * 180 / .pi, places: 1)
          : Self.number(joint.velocityRadiansPerSecond, places: 3))
    case .output: ScreenText(output(joint))
    case .current: ScreenText(joint.currentAmperes.map { Self.number($0, places: 4) } ?? "-")
    case .lipschitz: ScreenText(joint.lipschitz.map { String(format: "%.9f", $0) } ?? joint.certificate)
    }
  }

  /// A motor's torque; a servo's correction is an angle.
  private func output(_ joint: HandSnapshot.Joint) -> String {
    let isServo = joint.actuator == "servo"
    let value =
      isServo
      ? joint.correctionRadians.map(angle) ?? "-"
      : joint.torqueNewtonMetres.map { Self.number($0, places: 4) } ?? "-"
    return isMixed ? value + " " + (isServo ? angleUnit : "N m") : value
  }

  private func angle(_ radians: Double) -> String {
    isDegrees ? Self.number(radians * 180 / .pi, places: 2) : Self.number(radians, places: 4)
  }

  /// Without the sign of a zero, which would flicker.
  private static func number(_ value: Double, places: Int) -> String {
    let text = String(format: "%.\(places)f", value)
    return text.contains { ("1"..."9").contains($0) } ? text : String(text.drop { $0 == "-" })
  }

  private func bar(_ joint: HandSnapshot.Joint) -> String {
    var cells = [Character](repeating: "·", count: barWidth)
    func cell(_ radians: Double) -> Int {
      let place = radians / Self.barRadians * Double(barWidth)
      return Int(min(max(place, 0), Double(barWidth - 1)))
    }
    let position = cell(joint.positionRadians)
    for index in 0..<position { cells[index] = "█" }
    cells[position] = "▌"
    if cell(joint.setpointRadians) != position { cells[cell(joint.setpointRadians)] = "│" }
    return String(cells)
  }
}
