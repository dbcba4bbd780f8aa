import HandModel
import Wire

/// Cuts what a client of the control socket writes into lines, and reports a stop as soon as it is seen.
struct LineReader {
  enum Event: Equatable {
    /// Act now. One for each line that asks for a stop, before that line.
    case stop
    /// A line without its end.
    case line([UInt8], isStop: Bool)
    /// The line has no end within the limit. The rest of it is only searched for stops.
    case tooLong
  }

  private let largestLineBytes: Int
  private var line: [UInt8] = []
  /// Searches a line that is too long; nil in any other.
  private var scanner: StopScanner?
  /// `tooLong` is still to be reported: it comes after the stops that came with it, which must be answered.
  private var owesTooLong = false
  /// Whether a stop was reported for the line that has not ended yet. More of the line may come, or nothing.
  private(set) var isInsideStop = false

  init(largestLineBytes: Int) { self.largestLineBytes = largestLineBytes }

  mutating func read(_ bytes: some Collection<UInt8>) -> [Event] {
    var events: [Event] = []
    var rest = bytes[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      take(rest[..<end], &events)
      endLine(&events)
      rest = rest[rest.index(after: end)...]
    }
    take(rest, &events)
    if !isInsideStop && !line.isEmpty {
      let sighting = CommandParser.sightStop(inBeginning: line)
      if sighting != .none {
        events.append(.stop)
        isInsideStop = true
      }
      if sighting == .whole { endLine(&events) }
    } else if isInsideStop, CommandParser.sightStop(inBeginning: line) == .whole {
      endLine(&events)
    }
    payTooLong(&events)
    return events
  }

  /// Nothing more comes: the end of the input is the end of its last line.
  mutating func finish() -> [Event] {
    var events: [Event] = []
    endLine(&events)
    return events
  }

  private mutating func take(_ bytes: some Collection<UInt8>, _ events: inout [Event]) {
    guard scanner == nil else {
      scan(bytes, &events)
      return
    }
    line += bytes
    guard line.count > largestLineBytes else { return }
    let long = line
    line = []
    scanner = StopScanner()
    if isInsideStop {
      isInsideStop = false
      events.append(.line([], isStop: true))
    } else {
      scan(long, &events)
    }
    owesTooLong = true
  }

  private mutating func payTooLong(_ events: inout [Event]) {
    if owesTooLong { events.append(.tooLong) }
    owesTooLong = false
  }

  /// No command is so long. The word alone is therefore a stop, wherever it stands.
  private mutating func scan(_ bytes: some Collection<UInt8>, _ events: inout [Event]) {
    for byte in bytes {
      scanner?.take(byte)
      guard scanner?.hasWord == true else { continue }
      scanner = StopScanner()
      events += [.stop, .line([], isStop: true)]
    }
  }

  private mutating func endLine(_ events: inout [Event]) {
    defer {
      line = []
      scanner = nil
      isInsideStop = false
    }
    if scanner != nil {
      scan([UInt8(ascii: "\n")], &events)
      payTooLong(&events)
      return
    }
    // Blank ends of lines are no requests.
    guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) else { return }
    if isInsideStop {
      events.append(.line(line, isStop: true))
    } else if CommandParser.asksForStop(line) {
      events += [.stop, .line(line, isStop: true)]
    } else {
      events.append(.line(line, isStop: false))
    }
  }
}
