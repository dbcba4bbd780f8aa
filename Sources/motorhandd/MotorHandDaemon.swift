import ArgumentParser
import Control
import ControlSocket
import Foundation
import HandFiles
import HandModel
import LinuxIO
import Realtime
import Runtime
import Service
import Telemetry
import Wire

extension UploadMode: ExpressibleByArgument {}

@main
struct MotorHandDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "motorhandd",
    abstract: "Run a robotic hand: control loop, recorder, publisher, control socket.",
    discussion: """
      The hand starts idle, outputs off; motorhand arms it. SIGTERM and SIGINT end it with outputs off. Started by \
      systemd it reports its state, feeds the watchdog and leaves a black box; see motorhandd.service.
      Exit codes: 0 ended in order; 1 failed; 2 a file is broken or unreadable; 3 the board's rate does not \
      fit its buses or a joint has no certificate; 4 a device failed its self-test; 5 another daemon runs on \
      the socket; 6 real time was required and is not possible; 64 wrong arguments.
      """,
    version: motorHandVersion)

  @Option(help: "Board file.", transform: nonEmpty) var board: String
  @Option(help: "Calibration file of the hand.", transform: nonEmpty) var calibration: String
  @Option(help: "Identifier of the hand: letters, digits, _ and -, at most 64.") var hand = "hand"
  @Option(help: "Control socket.", transform: nonEmpty) var socket = defaultSocketPath
  @Option(help: "Directory for recordings.", transform: nonEmpty) var data = "/var/lib/motorhand"
  @Option(
    help:
      "Gigabytes that recordings may take; then the oldest segments are deleted, those around a fault last. 0 = keep everything."
  )
  var keepGigabytes = 8.0
  @Option(
    help:
      "Days after which recordings are deleted, except around a fault; only while the clock follows a time server. 0 = at any age they stay while there is room."
  )
  var keepDays = 0.0
  @Option(
    help: ArgumentHelp(
      "Ticks to record: full = all of them; events = ten a second, and all from 10 s before to 10 s after each event. Default: as the board file says (recording.mode), else full.",
      valueName: "mode"))
  var record: RecordingMode?
  @Flag(help: "Record nothing.") var noRecord = false
  @Option(
    help:
      "MQTT broker, mqtt://HOST:PORT or mqtts://HOST:PORT; without it nothing is published. Given several times: the next one is tried when one fails."
  )
  var broker: [String] = []
  @Option(
    help:
      "What of the recording is published beside what is live: live (events that were missed), events (also the ticks within 10 s of trouble) or full (every tick; 0.3 MB/s for 15 joints at 1 kHz)."
  )
  var upload = UploadMode.live
  @Option(help: "Kilobytes a second of ticks that are sent late, 0 = as fast as the broker takes them.")
  var uploadRate = 1000
  @Option(help: "File with user and password for the broker.", transform: nonEmpty) var credentials: String?
  @Option(help: "CA certificate for mqtts.", transform: nonEmpty) var tlsCa: String?
  @Option(help: "Client certificate for mqtts.", transform: nonEmpty) var tlsCert: String?
  @Option(help: "Key of the client certificate.", transform: nonEmpty) var tlsKey: String?
  @Option(
    help: "Be an edge node of Sparkplug B in this group, on a connection of its own.", transform: nonEmpty)
  var sparkplug: String?
  @Flag(help: "Announce the hand to Home Assistant.") var homeAssistant = false
  @Option(help: "Prefix of Home Assistant's discovery topics.", transform: nonEmpty)
  var homeAssistantPrefix = HomeAssistantDiscovery.defaultPrefix
  @Option(help: "CPU to pin the loop to.") var cpu: Int?
  @Flag(help: "Refuse to run where full real-time operation is not possible.") var requireRealtime = false
  @Flag(
    help:
      "Simulated board only: live by the machine's own clock, as a real hand; late ticks are faults then."
  )
  var strictClock = false
  @Option(help: "Seed of a simulated board's noise.") var seed: UInt64 = 1
  @Flag(help: "Run a simulated board in virtual time, as fast as the processor allows.") var virtual = false
  @Option(help: "Virtual time only: end after this many seconds of it.") var seconds: Double?
  @Option(
    help: "Virtual time only: JSON lines of commands, each with \"at\" in seconds.", transform: nonEmpty)
  var script: String?

  static func main() {
    StandardDescriptors.fill()
    // Reader gone: an error of that write, no end of the process.
    signal(SIGPIPE, SIG_IGN)
    // What a hand did is for its owner and group, whatever the caller's mask. The unit's own is stricter.
    umask(umask(0) | 0o027)
    main(nil)
  }

  func validate() throws {
    guard HandIdentity.isValid(handID: hand) else {
      throw ValidationError("--hand: found '\(hand)', expected 1 to 64 of A-Z a-z 0-9 _ -")
    }
    guard !broker.isEmpty || (credentials == nil && tlsCa == nil && tlsCert == nil && tlsKey == nil) else {
      throw ValidationError("--credentials and --tls-… need --broker: without it nothing is published")
    }
    guard !broker.isEmpty || (sparkplug == nil && !homeAssistant) else {
      throw ValidationError("--sparkplug and --home-assistant need --broker: without it nothing is published")
    }
    guard homeAssistant || homeAssistantPrefix == HomeAssistantDiscovery.defaultPrefix else {
      throw ValidationError("--home-assistant-prefix needs --home-assistant: without it nothing is announced")
    }
    do throws(PublisherOptionsError) { try publisherOptions()?.validate() } catch {
      throw ValidationError("\(error)")
    }
    guard upload == .live || (!broker.isEmpty && !noRecord) else {
      throw ValidationError("--upload \(upload.rawValue) needs --broker and a recording")
    }
    guard (0...1_000_000).contains(uploadRate) else {
      throw ValidationError("--upload-rate: found \(uploadRate), expected 0 to 1000000 (kilobytes a second)")
    }
    guard keepGigabytes == 0 || (0.1...1e6).contains(keepGigabytes) else {
      throw ValidationError("--keep-gigabytes must be 0 or 0.1 to 1000000, found \(keepGigabytes)")
    }
    guard keepDays == 0 || (0.01...36_500).contains(keepDays) else {
      throw ValidationError("--keep-days must be 0 or 0.01 to 36500, found \(keepDays)")
    }
    guard !(virtual && strictClock) else {
      throw ValidationError("--strict-clock contradicts --virtual, which has no machine under it")
    }
    guard cpu ?? 0 >= 0 else { throw ValidationError("--cpu: found \(cpu ?? 0), expected 0 or more") }
    guard virtual || (seconds == nil && script == nil) else {
      throw ValidationError("--seconds and --script need --virtual; a real hand is commanded by motorhand")
    }
    guard !virtual || seconds.map({ $0 > 0 && $0 <= 1e6 }) ?? false else {
      throw ValidationError("--virtual needs --seconds greater than 0, at most 1000000")
    }
  }

  func run() throws {
    let log = DaemonLog(handID: hand)
    let manager = ServiceManager()
    do {
      BlackBoxKeeper(manager: manager, log: log).recover(into: noRecord ? nil : data)
      let daemon = try Daemon(options(), log: log, manager: manager)
      if virtual, let seconds {
        let files = try HandFiles(board: board, calibration: calibration)
        let script = try script.map { path in
          try CommandScript(
            jsonLines: try HandFiles.text(path), file: path,
            parser: CommandParser(board: files.board, calibration: files.calibration))
        }
        try daemon.runVirtual(
          ticks: Int((seconds * Double(files.board.control.rateHertz)).rounded()), script: script)
      } else {
        try daemon.run()
      }
    } catch let error as ExitCode {
      throw error
    } catch {
      let text = "\(error)"
      log.report(text, .failed)
      manager?.notify(["STATUS=failed: \(text.prefix { $0 != "\n" })"])
      throw Self.exitCode(error)
    }
  }

  private func publisherOptions() throws(PublisherOptionsError) -> PublisherOptions? {
    var options = try PublisherOptions.parse(
      brokerURLs: broker, credentialsFile: credentials,
      tls: tlsCa != nil || tlsCert != nil || tlsKey != nil
        ? .init(authorityFile: tlsCa, certificateFile: tlsCert, keyFile: tlsKey) : nil)
    options?.sparkplugGroup = sparkplug
    options?.homeAssistantPrefix = homeAssistant ? homeAssistantPrefix : nil
    return options
  }

  private func options() throws -> DaemonOptions {
    DaemonOptions(
      boardPath: board, calibrationPath: calibration, handID: hand, socketPath: socket,
      dataDirectory: noRecord ? nil : data,
      keepBytes: keepGigabytes == 0 ? nil : UInt64(keepGigabytes * 1e9),
      keepSeconds: keepDays == 0 ? nil : Int64(keepDays * 86_400), recordingMode: record,
      broker: try publisherOptions(), upload: upload, uploadBytesPerSecond: 1000 * uploadRate,
      cpu: cpu,
      requireRealtime: requireRealtime, strictClock: strictClock,
      seed: seed)
  }

  /// A path or name. Empty it is an unset variable of a script or of /etc/default, and would mean something
  /// else to each system call: an abstract socket that every user may command, the root directory.
  @Sendable private static func nonEmpty(_ text: String) throws -> String {
    guard !text.isEmpty else { throw ValidationError("found '', expected a name") }
    return text
  }

  private static func exitCode(_ error: any Error) -> ExitCode {
    switch error {
    case is ConfigurationErrors, is UnreadableFile, is PublisherOptionsError: ExitCode(2)
    case is DesignRefusal, StartError.overloadedBuses: ExitCode(3)
    case StartError.devices, is HardwareErrors, StartError.selfTest: ExitCode(4)
    case SocketError.alreadyRunning: ExitCode(5)
    case StartError.notRealtime, StartError.thread: ExitCode(6)
    default: ExitCode(1)
    }
  }
}

extension RecordingMode: ExpressibleByArgument {}
