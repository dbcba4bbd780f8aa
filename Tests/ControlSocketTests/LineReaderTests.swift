import Testing

@testable import ControlSocket

@Suite("Lines of a control client")
struct LineReaderTests {
  private static let limit = 64

  private func events(_ chunks: String..., ending: Bool = false) -> [LineReader.Event] {
    var reader = LineReader(largestLineBytes: Self.limit)
    var events: [LineReader.Event] = []
    for chunk in chunks { events += reader.read(Array(chunk.utf8)) }
    return ending ? events + reader.finish() : events
  }

  private func line(_ text: String, isStop: Bool = false) -> LineReader.Event {
    .line(Array(text.utf8), isStop: isStop)
  }

  @Test("lines are cut at their ends, in any packets; blank ones are none")
  func lines() {
    #expect(events("ab\n\n \r\nc", "d\ne") == [line("ab"), line("cd")])
    #expect(events("ab", ending: true) == [line("ab")])
  }

  @Test(
    "a stop is told of when the last byte that makes it one has come, and once",
    arguments: [
      (#"{"verb":"stop"}"#, #"{"verb":"stop""#.count + 1), ("stop", 4), (#""stop""#, 6),
      (#"{"id":"7","verb":"stop","x":1}"#, #"{"id":"7","verb":"stop""#.count),
    ])
  func atOnce(text: String, length: Int) {
    let bytes = Array((text + "\n").utf8)
    var reader = LineReader(largestLineBytes: Self.limit)
    var told: [Int] = []
    for (index, byte) in bytes.enumerated() {
      for event in reader.read([byte]) where event == .stop { told.append(index + 1) }
    }
    #expect(told.count == 1)
    #expect(told.allSatisfy { $0 <= length }, "\(told)")
    #expect(events(text, "\n") == events(text + "\n"))
  }

  @Test("a stop that is not complete is told of at once, and its line when it ends")
  func truncated() {
    #expect(events(#"{"verb":"stop","#) == [.stop])
    #expect(
      events(#"{"verb":"stop","#, #""id":"7"}"#) == [.stop, line(#"{"verb":"stop","id":"7"}"#, isStop: true)])
    #expect(events(#"{"verb":"sto"#, "p", ending: true) == [.stop, line(#"{"verb":"stop"#, isStop: true)])
    #expect(events("x stop", ending: true) == [.stop, line("x stop", isStop: true)])
  }

  @Test("a stop behind other commands in one packet keeps its place in the order")
  func batch() {
    #expect(
      events("a\nstop\nb\n") == [line("a"), .stop, line("stop", isStop: true), line("b")])
  }

  @Test("a line beyond the limit is told of once, and the word stop in it wherever it stands")
  func tooLong() {
    let long = String(repeating: "x", count: Self.limit + 1)
    #expect(events(long, long, long) == [.tooLong])
    #expect(events(long + "\nab\n") == [.tooLong, line("ab")])
    let stop: [LineReader.Event] = [.stop, .line([], isStop: true)]
    #expect(events("stop " + long) == stop + [.tooLong])
    #expect(events(long, " st", "op ") == [.tooLong] + stop)
    #expect(events(long, long + " stop", ending: true) == [.tooLong] + stop)
    #expect(events(long, "stop stopped nonstop", "\n") == [.tooLong])
  }
}
