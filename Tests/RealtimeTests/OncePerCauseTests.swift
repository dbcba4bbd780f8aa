import Testing

@testable import Realtime

@Suite("Once per cause")
struct OncePerCauseTests {
  @Test("a cause is said once, and again after it was over")
  func once() {
    let troubles = OncePerCause()
    #expect(troubles.isNew("disk") && troubles.isNew("broker"))
    #expect(!troubles.isNew("disk"))
    troubles.isOver("disk")
    #expect(troubles.isNew("disk") && !troubles.isNew("broker"))
  }

  @Test("causes beyond the bound are counted and not said; room comes when one is over")
  func bound() {
    let troubles = OncePerCause()
    for number in 0..<OncePerCause.capacity { #expect(troubles.isNew("\(number)")) }
    #expect(!troubles.isNew("one more") && !troubles.isNew("and another"))
    #expect(!troubles.isNew("0") && troubles.suppressed == 2)
    troubles.isOver("0")
    #expect(troubles.isNew("one more"))
  }
}
