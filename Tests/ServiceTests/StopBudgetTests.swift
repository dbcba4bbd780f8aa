import Foundation
import Testing

@testable import Service

@Suite("Stop budget")
struct StopBudgetTests {
  /// What a hung I2C transfer and a command in its half second may take before recorder and publisher are stopped.
  private static let beforeSeconds = 1.5

  @Test("an orderly stop ends before the unit's time, whatever storage and broker do")
  func unit() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let unit = try String(contentsOfFile: root + "/systemd/motorhandd.service", encoding: .utf8)
    #expect(unit.split(separator: "\n").contains("TimeoutStopSec=\(Int(StopBudget.unitSeconds))s"))
    #expect(Self.beforeSeconds + StopBudget.consumerSeconds < StopBudget.unitSeconds)
  }
}
