import HandModel
import HandRigs
import PrimalLogic
import Testing

@testable import Analysis
@testable import Control

@Suite("Margins and maps of certificates")
struct CertificateAdviceTests {
  @Test("a margin ends where the condition does, to 0.5 %, and has no end within a factor of ten otherwise")
  func margin() {
    let both = CertificateMargin("kp", value: 2) { $0 > 0.9 && $0 < 5 }
    #expect(abs((both.lowest ?? 0) / 0.9 - 1) < 5e-3 && abs((both.highest ?? 0) / 5 - 1) < 5e-3)
    #expect((both.lowest ?? 0) > 0.9 && (both.highest ?? 9) < 5)
    #expect(abs((both.factor ?? 0) - 2 / 0.9) < 0.02)
    let open = CertificateMargin("kp", value: 2) { _ in true }
    #expect(open.lowest == nil && open.highest == nil && open.factor == nil)
    let oneSided = CertificateMargin("kp", value: 2) { $0 > 0.15 }
    #expect(oneSided.lowest == nil || oneSided.lowest ?? 0 < 0.25)
    #expect(oneSided.highest == nil)
  }

  @Test("a map asks for few cells, and agrees with all of them where the regions are wider than a block")
  func fill() {
    func region(_ row: Int, _ column: Int) -> CertificateMap.Region {
      row * row + column * column < 900 ? .certified : row > 2 * column ? .unproven : .unstable
    }
    var asked = 0
    let filled = CertificateMap.fill(progress: { _ in }) {
      asked += 1
      return region($0, $1)
    }
    let cells = CertificateMap.cells
    #expect(filled.count == cells * cells && asked < cells * cells / 2)
    let wrong = (0..<cells * cells).filter { filled[$0] != region($0 / cells, $0 % cells) }
    // A border may clip the edge of a block between its corners.
    #expect(wrong.count < 10, "\(wrong)")
  }

  @Test(
    "the axes have round ticks from 0, four to eleven of them", arguments: [0.18, 2.4, 4.5, 0.0007, 80, 1])
  func ticks(maximum: Double) {
    let ticks = CertificateMap.ticks(maximum)
    #expect((4...11).contains(ticks.count) && ticks[0] == 0 && (ticks.last ?? 9e9) <= maximum * 1.001)
  }

  @Test(
    "a calibration's uncertainty reaches the design: defaults where it says nothing, its shares where it does"
  )
  func uncertainty() throws {
    var calibration = TestHand.calibration
    calibration.joints[1].uncertainty.inertiaShare = 0.05
    let design = try HandDesign(board: TestHand.board, calibration: calibration)
    let first = design.joints[0].uncertainty
    #expect(first.inertiaShare == 0.2 && first.dampingShare == 0.5 && first.dtShare == 0.1)
    // A bridge takes a duty over with its write, after the phase and some bus time, and at most one tick later.
    #expect(first.delayPeriods.lowerBound > HandDesign.actuatingPhase && first.delayPeriods.upperBound == 1)
    #expect(design.joints[1].uncertainty.inertiaShare == 0.05)
    // The daemon arms on N alone and does not wait for U.
    #expect(design.joints.allSatisfy { $0.uncertain == nil })
  }
}
