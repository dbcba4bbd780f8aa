import Analysis
import ArgumentParser
import Foundation
import HandFiles
import HandModel

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
    if let upload = result.upload {
      lines.append(
        String(
          format: "blocks        %10.0f ticks a second, from the recording through the broker into a store",
          upload.perSecond))
    }
    for pace in result.paced ?? [] {
      var line = String(
        format: "mode %@ at %d Hz: %.0f bytes written a tick", pace.mode.rawValue, pace.rateHertz,
        pace.bytesEach)
      if let share = pace.processorShare { line += String(format: ", %.2f %% of a processor", 100 * share) }
      if let median = pace.durableMedianSeconds, let maximum = pace.durableMaximumSeconds {
        line += String(format: ", on the disk after %.2f s, at most %.2f s", median, maximum)
      }
      lines.append(line)
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
      checkout and a compiler; without them the recorder is measured alone. Then it records in each mode at the rate of \
      the hand: what it costs, and how long a tick takes to the disk.
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
      Sends events (QoS 1, 64 in flight) with the whole publisher, hand-over to acknowledgement, through a private Mosquitto, \
      in turn with Benchmarks/publisher/peer.c, a plain program around mosquitto_loop. The C program needs a checkout \
      and a compiler; without them the publisher is measured alone. Then a recording of five minutes goes the way of a \
      backlog, from the disk through the broker into the store of a consumer.
      """)
  @OptionGroup var options: PeerBenchOptions

  func run() throws {
    try options.run(unit: "events") { hand in
      var result = try PublisherBench.run(
        hand: hand, seconds: options.seconds, peerSource: ShippedFiles.find(PublisherBench.peerName),
        isCancelled: { Interrupt.isPending })
      result.upload = try UploadBench.run(hand: hand, isCancelled: { Interrupt.isPending })
      return result
    }
  }
}
