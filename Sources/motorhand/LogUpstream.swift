import ArgumentParser
import Foundation
import HandModel
import Recording
import Telemetry

/// How a command reaches a broker: the same options as the daemon's.
struct BrokerArguments: ParsableArguments {
  @Option(
    help: "MQTT broker, mqtt://HOST:PORT or mqtts://HOST:PORT; the next one given is tried when one fails.")
  var broker: [String]
  @Option(help: "File with user and password for the broker.", transform: nonEmpty) var credentials: String?
  @Option(help: "CA certificate for mqtts.", transform: nonEmpty) var tlsCa: String?
  @Option(help: "Client certificate for mqtts.", transform: nonEmpty) var tlsCert: String?
  @Option(help: "Key of the client certificate.", transform: nonEmpty) var tlsKey: String?

  func options() throws(PublisherOptionsError) -> PublisherOptions {
    let tls: PublisherOptions.TLS? =
      tlsCa != nil || tlsCert != nil || tlsKey != nil
      ? .init(authorityFile: tlsCa, certificateFile: tlsCert, keyFile: tlsKey) : nil
    guard
      let options = try PublisherOptions.parse(brokerURLs: broker, credentialsFile: credentials, tls: tls)
    else { throw .noHost(found: "") }
    try options.validate()
    return options
  }

  func validate() throws {
    do throws(PublisherOptionsError) { _ = try options() } catch { throw ValidationError("\(error)") }
  }
}

struct LogReceive: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receive",
    abstract: "Store what hands upload of their recordings, each block and event once.",
    discussion: """
      Stores into received.sqlite in the directory, and tells each hand on its topic stored what is safe: what is missing \
      is sent again. The broker keeps a session for this name while the command does not run. Ends in order on Ctrl-C and \
      SIGTERM. motorhand log reconcile then proves that nothing is missing.
      Exit codes: 0 ended in order; 1 something could not be stored; 2 messages came that are damaged or contradict what \
      is stored, each named on standard error; 64 wrong arguments.
      """)
  @OptionGroup var connection: BrokerArguments
  @Option(help: "Directory to store in; made where it is missing.", transform: nonEmpty) var data: String
  @Option(help: "Only this hand.") var hand: String?
  @Option(help: "Name of this consumer; two with one name push each other out of the broker.") var name =
    "receive"
  @Flag(help: "Print what was received as JSON at the end.") var json = false

  /// A flood of damaged messages is counted, not told one by one.
  private static let toldProblems = 100

  /// What `--json` prints.
  private struct Summary: Encodable {
    var blocks: UInt64
    var ticks: UInt64
    var bytes: UInt64
    var events: UInt64
    var duplicates: UInt64
    var damaged: UInt64
    var conflicts: UInt64
  }

  func validate() throws {
    for (option, value) in [("--hand", hand), ("--name", name)] {
      guard let value, !HandIdentity.isValid(handID: value) else { continue }
      throw ValidationError("\(option): found '\(value)', expected 1 to 64 of A-Z a-z 0-9 _ -")
    }
  }

  func run() throws {
    Interrupt.install()
    // As on the hand, what a hand did is for its owner and group.
    umask(umask(0) | 0o027)
    let options = try connection.options()
    let shown = ProgressLine()
    let status: BlockReceiver.Status
    do throws(RecordingError) {
      let receiver = try BlockReceiver(
        options: options, store: ReceivedStore(directory: data), name: name, handID: hand)
      var told = 0
      receiver.onProblem = { problem in
        told += 1
        guard told <= Self.toldProblems else { return }
        shown.clear()
        complain(told < Self.toldProblems ? problem : "\(problem); further ones are only counted")
      }
      complain("storing in \(data), from \(options.brokerText)")
      var next = ContinuousClock.now
      status = try receiver.run(isCancelled: { Interrupt.isPending }) { status in
        guard ContinuousClock.now >= next else { return }
        next = ContinuousClock.now + .milliseconds(200)
        shown.show(
          "\(status.connected ? "connected" : "not connected"), \(status.blocks) blocks, \(status.ticks) ticks, "
            + "\(status.events) events, \(status.duplicates) duplicates")
      }
      shown.clear()
    } catch {
      shown.clear()
      throw Failure(error, Exit.failure)
    }
    if json {
      try printJSON(
        Summary(
          blocks: status.blocks, ticks: status.ticks, bytes: status.bytes, events: status.events,
          duplicates: status.duplicates, damaged: status.damaged, conflicts: status.conflicts))
    } else {
      try emit(
        "stored \(status.blocks) blocks with \(status.ticks) ticks in \(status.bytes) bytes and \(status.events) "
          + "events; \(status.duplicates) duplicates, \(status.damaged) damaged, \(status.conflicts) conflicts"
      )
    }
    guard status.damaged == 0, status.conflicts == 0 else { throw Exit.brokenFile }
  }
}

struct LogReconcile: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconcile",
    abstract:
      "Compare what a device recorded with what motorhand log receive stored: how many ticks are lost.",
    discussion: """
      Compares ticks, hashes of blocks and events of every run, and says why each missing tick is missing: waiting (on the \
      device, not uploaded yet), expired, gap, storage-drop, damaged. Copy the device's directory, or name it where it is.
      Exit codes: 0 everything is stored; 1 something is not stored: lost, or only on the device; 2 something is damaged, \
      differs or cannot be read.
      """)
  @Argument(help: "The device's data directory, or that of one run.", transform: nonEmpty) var device: String
  @Argument(help: "The consumer's directory.", transform: nonEmpty) var received: String
  @Flag(help: "Print as JSON.") var json = false

  func run() throws {
    let shown = ProgressLine()
    let result: Reconciliation
    do throws(RecordingError) {
      defer { shown.clear() }
      result = try Reconciliation(device: device, received: received) { blocks in
        if blocks % 100 == 0 { shown.show("\(blocks) blocks") }
      }
    } catch { throw Failure(error, Exit.brokenFile) }
    if json { try printJSON(result) } else { try emit(result.text) }
    guard result.damage.isEmpty else { throw Exit.brokenFile }
    guard result.lost == 0, result.waiting == 0, result.missingEvents == 0 else { throw Exit.failure }
  }
}
