import Analysis
import ArgumentParser
import Foundation
import HandModel
import Runtime

/// Options of the benches that measure beside a C program.
struct PeerBenchOptions: ParsableArguments {
  /// A year of measuring is a mistake, and so is nothing.
  private static let allowedSeconds = 0.1...86_400

  @Option(help: "Seconds for ours; the C program then does the same work.") var seconds = 10.0
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    guard Self.allowedSeconds.contains(seconds) else {
      throw ValidationError(
        "--seconds: found \(seconds), expected \(Self.allowedSeconds.lowerBound) to "
          + "\(Self.allowedSeconds.upperBound)")
    }
  }

  /// Measures with the simulated hand and prints what came out.
  func run(unit: String, _ measure: (HandFiles) throws -> SideBySide) throws {
    Interrupt.install()
    let board = try ShippedFiles.simulatedBoard()
    let hand = try loadFiles(
      board: board, calibration: CalibrationOption.path(board: board, calibration: nil))
    let result: SideBySide
    do {
      result = try measure(hand)
    } catch {
      throw Failure("\(error)", Exit.failure)
    }
    if json { try printJSON(result) } else { try emit(text(result, unit)) }
  }

  private func text(_ result: SideBySide, _ unit: String) -> String {
    func row(_ name: String, _ perSecond: Double, _ runs: [BenchRun]) -> String {
      let bytes = SideBySide.median(runs.compactMap(\.bytesEach))
      return name.padding(toLength: 14, withPad: " ", startingAt: 0)
        + String(format: "%10.0f %@ a second", perSecond, unit)
        + (bytes.isNaN ? "" : String(format: ", %.0f bytes written for each", bytes))
    }
    let count = result.ours.count
    var lines = [
      count == 1
        ? String(format: "one round of %.1f s", seconds)
        : String(format: "%d rounds of %.1f s, medians", count, seconds / Double(count)),
      row("ours", result.oursPerSecond, result.ours),
    ]
    if let peer = result.peerPerSecond, let ratio = result.ratio {
      lines.append(row("C program", peer, result.peer))
      lines.append(String(format: "ratio         %10.3f, ours over the C program's, round by round", ratio))
    } else {
      lines.append("no C program ran beside it: \(result.noPeer ?? "")")
    }
    return lines.joined(separator: "\n")
  }
}

struct RecordBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Ticks a second that the recorder takes, side by side with a plain C program.",
    discussion: """
      Records ticks of a moving hand of fifteen joints with the whole recorder, as fast as it takes them, in turn with \
      Benchmarks/recorder/peer.c, which does nothing but encode, bind and commit the same ticks. The C program needs a \
      checkout and a compiler; without them the recorder is measured alone.
      """)
  @OptionGroup var options: PeerBenchOptions
  @Option(
    help: "Directory on the disk to be measured; default: the system's temporary one.", transform: nonEmpty)
  var directory: String?

  func run() throws {
    try options.run(unit: "ticks") { hand in
      try RecorderBench.run(
        hand: hand, directory: directory, seconds: options.seconds,
        peerSource: ShippedFiles.find(RecorderBench.peerName), isCancelled: { Interrupt.isPending })
    }
  }
}

struct PublishBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "publish",
    abstract: "Events a second that the publisher sends, side by side with a plain C program.",
    discussion: """
      Sends events (QoS 1, 64 in flight) with the whole publisher, ring to acknowledgement, through a private Mosquitto, \
      in turn with Benchmarks/publisher/peer.c, a plain program around mosquitto_loop. The C program needs a checkout \
      and a compiler; without them the publisher is measured alone.
      """)
  @OptionGroup var options: PeerBenchOptions

  func run() throws {
    try options.run(unit: "events") { hand in
      try PublisherBench.run(
        hand: hand, seconds: options.seconds, peerSource: ShippedFiles.find(PublisherBench.peerName),
        isCancelled: { Interrupt.isPending })
    }
  }
}
