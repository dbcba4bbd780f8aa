import Foundation
import HandModel
import HandRigs
import Testing

@testable import Control
@testable import HandFiles

@Suite("The shipped boards for real hardware")
struct ShippedBoardsTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private func design(_ name: String, calibration: String) throws -> HandDesign {
    let files = try HandFiles(
      board: Self.root.appending(path: "Boards/\(name).yaml").path,
      calibration: Self.root.appending(path: "Calibration/\(calibration).yaml").path)
    #expect(files.board.name == name && files.board.platform == .linux)
    return try HandDesign(board: files.board, calibration: files.calibration)
  }

  @Test(
    "each fits its buses, has a certificate for every joint and follows a pose in virtual time",
    arguments: [
      ("beaglebone-black", "beaglebone-black"), ("raspberry-pi-4", "servo-hand"),
      ("raspberry-pi-5", "servo-hand"), ("jetson-orin-nano", "servo-hand"), ("rock-5b", "servo-hand"),
    ])
  func board(name: String, calibration: String) throws {
    let design = try design(name, calibration: calibration)
    #expect(design.plan.overloaded.isEmpty)
    #expect(design.joints.allSatisfy { $0.certificate.contraction < 1 })
    // Virtual time has no machine: the linux board's chips are simulated there.
    let hand = try VirtualHand(design: design)
    let rate = design.board.control.rateHertz
    let power = try #require(design.calibration.poses.first { $0.name == "power" }).radians
    hand.command(rate / 2, .arm)
    hand.command(rate, .pose(radians: power, seconds: 1))
    let last = try #require(hand.run(ticks: 4 * rate).last)
    #expect(last.fault == .none && last.state == .armed)
    for index in power.indices {
      #expect(abs(last.joints[index].positionRadians - power[index]) < 0.06)
    }
  }
}
