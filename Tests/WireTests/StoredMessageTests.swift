import HandModel
import SeededRandom
import Testing

@testable import Wire

/// What consumers have stored, as sets of numbers and as a message.
struct StoredMessageTests {
  @Test("a set of ranges holds what a plain set of numbers holds, whatever is done to it")
  func model() {
    let seed = UInt64.random(in: 0 ... .max)
    print("ranges against a plain set: seed \(seed)")
    var random = SeededGenerator(seed: seed)
    func range() -> ClosedRange<UInt64> {
      let first = UInt64.random(in: 0..<60, using: &random)
      return first...first + UInt64.random(in: 0..<8, using: &random)
    }
    for _ in 0..<300 {
      var (one, other) = (SequenceRanges(), SequenceRanges())
      var (plain, otherPlain) = (Set<UInt64>(), Set<UInt64>())
      for _ in 0..<Int.random(in: 0..<12, using: &random) {
        let (a, b) = (range(), range())
        #expect(one.insert(a) == !plain.isSuperset(of: a))
        other.insert(b)
        plain.formUnion(a)
        otherPlain.formUnion(b)
      }
      func expect(_ set: SequenceRanges, _ numbers: Set<UInt64>) {
        #expect(Set(set.ranges.flatMap { Array($0) }) == numbers)
        #expect(set.count == UInt64(numbers.count) && set.first == numbers.min() && set.last == numbers.max())
        for (a, b) in zip(set.ranges, set.ranges.dropFirst()) { #expect(a.upperBound + 1 < b.lowerBound) }
      }
      let part = range()
      expect(one, plain)
      expect(one.subtracting(other), plain.subtracting(otherPlain))
      expect(one.intersection(other), plain.intersection(otherPlain))
      expect(one.clamped(to: part), plain.intersection(part))
      #expect(one.contains(part) == plain.isSuperset(of: part))
      one.formUnion(other)
      expect(one, plain.union(otherPlain))
    }
  }

  @Test("a message reads back to itself, and the largest one fits what a hand takes")
  func roundTrip() throws {
    var many = SequenceRanges()
    for index in 0..<5000 as Range<UInt64> {
      many.insert(SequenceRanges.largest - 3 * index - 1...SequenceRanges.largest - 3 * index)
    }
    let runs = (0..<200).map { index in
      (
        runID: String(repeating: "r", count: 61) + "\(index + 100)", ticks: many,
        events: SequenceRanges(1...9)
      )
    }
    let message = StoredMessage(consumer: String(repeating: "c", count: 64), newestFirst: runs)
    #expect(!message.isComplete && message.runs.count == StoredMessage.maximumRuns)
    #expect(message.runs[0].runID == runs[0].runID)
    #expect(message.runs[0].ticks.from == message.runs[0].ticks.ranges.first)
    #expect(
      message.runs.reduce(0) { $0 + $1.ticks.ranges.ranges.count + $1.events.ranges.ranges.count } <= 1000)
    let bytes = message.encoded()
    #expect(bytes.count < 65_000, "\(bytes.count)")
    #expect(try StoredMessage(decoding: bytes) == message)
    let small = StoredMessage(
      consumer: "gateway", newestFirst: [("run-1", SequenceRanges(0...999), SequenceRanges())])
    #expect(
      String(decoding: small.encoded(), as: UTF8.self)
        == #"{"schema":"motorhand.stored/1","consumer":"gateway","complete":true,"runs":[{"run_id":"run-1","#
        + #""ticks":{"from":"0","ranges":[["0","999"]]},"events":{"from":"0","ranges":[]}}]}"#)
    #expect(try StoredMessage(decoding: small.encoded()) == small)
  }

  @Test(
    "what cannot be true is refused whole",
    arguments: [
      #"["5","4"]"#, #"["0","1"],["2","3"]"#, #"["4","9"],["0","1"]"#, #"["0","9"],["9","12"]"#, #"["0"]"#,
      #"["-1","4"]"#, #"["0","9223372036854775808"]"#, #"[0.5,1]"#, "3", #"["0","1","2"]"#,
    ])
  func refused(ranges: String) {
    let text =
      #"{"schema":"motorhand.stored/1","consumer":"c","complete":true,"runs":[{"run_id":"r","ticks":"#
      + #"{"from":"0","ranges":[\#(ranges)]},"events":{"from":"0","ranges":[]}}]}"#
    #expect(throws: MessageProblem.self) { try StoredMessage(decoding: Array(text.utf8)) }
  }

  @Test("too many runs, ranges, a run twice and a name that is none are refused")
  func limits() {
    func text(consumer: String = "c", runs: [String]) -> [UInt8] {
      Array(
        (#"{"schema":"motorhand.stored/1","consumer":"\#(consumer)","complete":true,"runs":["#
          + runs.joined(separator: ",") + "]}").utf8)
    }
    func run(_ id: String, ranges: Int = 0, from: Int = 0) -> String {
      let pairs = (0..<ranges).map { #"["\#(9 * $0 + 1)","\#(9 * $0 + 2)"]"# }.joined(separator: ",")
      return
        #"{"run_id":"\#(id)","ticks":{"from":"\#(from)","ranges":[\#(pairs)]},"events":{"from":"0","ranges":[]}}"#
    }
    func isRefused(_ bytes: [UInt8]) -> Bool { (try? StoredMessage(decoding: bytes)) == nil }
    #expect(!isRefused(text(runs: (0..<48).map { run("r\($0)") })))
    #expect(isRefused(text(runs: (0..<49).map { run("r\($0)") })))
    #expect(!isRefused(text(runs: [run("a", ranges: 500), run("b", ranges: 500)])))
    #expect(isRefused(text(runs: [run("a", ranges: 500), run("b", ranges: 501)])))
    #expect(isRefused(text(runs: [run("a"), run("a")])))
    #expect(isRefused(text(runs: [run("a b")])))
    #expect(isRefused(text(consumer: "", runs: [])))
    #expect(isRefused(text(runs: [run("a", ranges: 1, from: 2)])))
  }
}
