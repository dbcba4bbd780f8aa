import Control
import Foundation
import HandFiles
import HandModel

/// The files that ship with the package.
package enum TestFiles {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  package static func text(_ path: String) -> String {
    do {
      return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    } catch { fatalError("\(error)") }
  }

  package static func board(_ path: String) -> Board {
    do { return try Board(yaml: text(path), file: path) } catch { fatalError("\(error)") }
  }

  package static func calibration(_ path: String, board: Board) -> Calibration {
    do { return try Calibration(yaml: text(path), file: path, board: board) } catch { fatalError("\(error)") }
  }
}

/// The shipped hand, designed once: finding fifteen certificates takes longer than most tests.
package enum TestHand {
  package static let board = TestFiles.board("Boards/sim.yaml")
  package static let calibration = TestFiles.calibration("Calibration/nominal-hand.yaml", board: board)
  package static let design: HandDesign = {
    do { return try HandDesign(board: board, calibration: calibration) } catch { fatalError("\(error)") }
  }()

  package static func pose(_ name: String) -> [Double] {
    guard let pose = calibration.poses.first(where: { $0.name == name }) else {
      fatalError("no pose \(name)")
    }
    return pose.radians
  }
}

/// The shipped hand of five servos.
package enum ServoHand {
  package static let board = TestFiles.board("Boards/sim-servo.yaml")
  package static let calibration = TestFiles.calibration("Calibration/servo-hand.yaml", board: board)
  package static let design: HandDesign = {
    do { return try HandDesign(board: board, calibration: calibration) } catch { fatalError("\(error)") }
  }()

  package static func pose(_ name: String) -> [Double] {
    calibration.poses.first { $0.name == name }?.radians ?? []
  }

  package static func servo(_ joint: Int) -> ServoParameters {
    guard case .servo(let servo) = calibration.joints[joint].drive else {
      fatalError("joint \(joint) is no servo")
    }
    return servo
  }
}
