import Analysis
import Foundation
import Testing

@Suite("The stop bench")
struct StopBenchTests {
  @Test("what was not measured, because every stop was lost, is null in JSON and comes back as nothing")
  func allLost() throws {
    let text = """
      {"rateHertz":100,"way":"mqtt","stops":2,"lost":2,"lostReasons":{"no answer":2},"toOutputsOff":null,\
      "transport":null,"beyondTransport":null,"isWithinATick":false,"isDiskFull":false,"idleClients":0,\
      "floodPerSecond":0}
      """
    let row = try JSONDecoder().decode(StopBench.Row.self, from: Data(text.utf8))
    let keys = try #require(
      JSONSerialization.jsonObject(with: JSONEncoder().encode(row)) as? [String: Any])
    for key in ["toOutputsOff", "transport", "beyondTransport"] { #expect(keys[key] is NSNull, "\(key)") }
    #expect(keys.count == 12)
    #expect(row.toOutputsOff == nil && !row.isWithinATick)
  }
}
