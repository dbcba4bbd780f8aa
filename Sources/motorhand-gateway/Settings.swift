import ArgumentParser
import Foundation
import Gateway
import Telemetry
import Yams

/// What a gateway is told, by flag, environment or file, in this order: one table, of which `--help`, the
/// file and the variables are made.
struct Settings: ParsableArguments {
  @Option(
    help: "File of settings, YAML: the names below without their dashes in front, as broker: mqtt://host")
  var config: String?
  @Option(help: "Broker, mqtt://HOST[:PORT] or mqtts://…; default mqtt://127.0.0.1")
  var broker: String?
  @Option(help: "File with the broker's user: and password:")
  var credentials: String?
  @Option(name: .customLong("tls-ca"), help: "File of the authority that signed the broker's certificate")
  var tlsAuthority: String?
  @Option(help: "Directory of the store and the signing secret; default /var/lib/motorhand-gateway")
  var data: String?
  @Option(
    help: "Store in PostgreSQL instead of a file, as libpq takes it: host=… dbname=… (password in ~/.pgpass)")
  var postgres: String?
  @Option(help: "Address of the API, HOST:PORT; default 127.0.0.1:8000")
  var listen: String?
  @Option(help: "Address of the WebSockets' own port, HOST:PORT, or none; default 127.0.0.1:8765")
  var websocket: String?
  @Option(help: "Pages that may open WebSockets, https://…, separated by commas")
  var origins: String?
  @Option(
    help:
      "File of the signing secret, shared by replicas; default secret in the data directory, made when missing"
  )
  var secret: String?
  @Option(name: .customLong("token-minutes"), help: "How long an access token is good, 1 to 1440; default 15")
  var tokenMinutes: String?
  @Option(
    name: .customLong("behind-proxy"),
    help: "yes: all requests come through a proxy, which gives X-Forwarded-For; default no")
  var behindProxy: String?
  @Option(
    name: .customLong("keep-days"),
    help: "Days after which blocks of ticks and rows of samples are deleted, 1 to 36500; default: never")
  var keepDays: String?
  @Option(help: "Name of this gateway among several at one broker, A-Z a-z 0-9 _ -; default: the host's")
  var replica: String?

  /// What was found wrong with a setting, and where it was set.
  struct Problem: Error, CustomStringConvertible {
    var description: String
  }

  private static let prefix = "MOTORHAND_GATEWAY_"

  /// Names and what the command line says of each.
  private var flags: [(name: String, value: String?)] {
    [
      ("broker", broker), ("credentials", credentials), ("tls-ca", tlsAuthority), ("data", data),
      ("postgres", postgres), ("listen", listen), ("websocket", websocket), ("origins", origins),
      ("secret", secret), ("token-minutes", tokenMinutes), ("behind-proxy", behindProxy),
      ("keep-days", keepDays),
      ("replica", replica),
    ]
  }

  /// Finds what each setting is, and where that is said.
  func resolve() throws(Problem) -> Resolved {
    let file = try readFile()
    var values: [String: (value: String, place: String)] = [:]
    for (name, value) in flags {
      let variable = Self.prefix + name.uppercased().replacing("-", with: "_")
      if let value {
        values[name] = (value, "--\(name)")
      } else if let value = ProcessInfo.processInfo.environment[variable] {
        values[name] = (value, variable)
      } else if let value = file[name] {
        values[name] = value
      }
    }
    if values["postgres"]?.place == "--postgres", values["postgres"]?.value.contains("password") == true {
      throw Problem(
        description: "--postgres: found a password, which lists of processes show; put it into ~/.pgpass, "
          + "\(Self.prefix)POSTGRES or the file of settings")
    }
    return Resolved(values: values)
  }

  private func readFile() throws(Problem) -> [String: (value: String, place: String)] {
    guard let config else { return [:] }
    let text: String
    do { text = try String(contentsOfFile: config, encoding: .utf8) } catch {
      throw Problem(description: "\(config): it cannot be read: \(error.localizedDescription)")
    }
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch { throw Problem(description: "\(config): \(error)") }
    guard let node else { return [:] }
    guard case .mapping(let mapping) = node else {
      throw Problem(description: "\(config): expected lines of name: value")
    }
    var values: [String: (value: String, place: String)] = [:]
    for (key, value) in mapping {
      let place = "\(config):\(key.mark?.line ?? 0)"
      guard let name = key.string, flags.contains(where: { $0.name == name }) else {
        throw Problem(
          description: "\(place): found \(key.string ?? "no name"), expected one of "
            + flags.map(\.name).joined(separator: ", "))
      }
      guard let scalar = value.scalar?.string else {
        throw Problem(description: "\(place): \(name): expected one value")
      }
      guard values.updateValue((scalar, place), forKey: name) == nil else {
        throw Problem(description: "\(place): \(name): found more than once")
      }
    }
    return values
  }

  /// Settings with the places that they come from.
  struct Resolved {
    fileprivate var values: [String: (value: String, place: String)]

    private func text(_ name: String, or fallback: String) -> String { values[name]?.value ?? fallback }

    private func problem(_ name: String, _ expected: String) -> Problem {
      let (value, place) = values[name] ?? ("nothing", name)
      return Problem(description: "\(place): found \(value), expected \(expected)")
    }

    var data: String { text("data", or: "/var/lib/motorhand-gateway") }
    var postgres: String? { values["postgres"]?.value }
    var secretFile: String { text("secret", or: data + "/secret") }

    /// Sees that the files that the settings name can be used, without making any.
    func checkFiles() throws(Problem) {
      if FileManager.default.fileExists(atPath: secretFile) || values["secret"] != nil {
        do throws(SecretFile.Problem) {
          let bytes = try SecretFile.read(secretFile, makes: false).count
          guard bytes >= AccessTokens.leastSecretBytes else {
            throw .init(
              description:
                "\(secretFile): found \(bytes) bytes, expected at least \(AccessTokens.leastSecretBytes)")
          }
        } catch { throw Problem(description: error.description) }
      }
      if let (file, place) = values["credentials"] {
        do throws(BrokerCredentialsError) { _ = try BrokerCredentials(file: file) } catch {
          throw Problem(description: "\(place): \(error)")
        }
      }
      if let (file, place) = values["tls-ca"], !FileManager.default.isReadableFile(atPath: file) {
        throw Problem(description: "\(place): \(file): it cannot be read")
      }
    }

    func tokenSeconds() throws(Problem) -> Int64 {
      guard let minutes = Int64(text("token-minutes", or: "15")), (1...1440).contains(minutes) else {
        throw problem("token-minutes", "1 to 1440")
      }
      return minutes * 60
    }

    func options() throws(Problem) -> GatewayServer.Options {
      let broker: PublisherOptions
      do throws(PublisherOptionsError) {
        let authority = values["tls-ca"].map { PublisherOptions.TLS(authorityFile: $0.value) }
        var options = try PublisherOptions.parse(brokerURL: text("broker", or: "mqtt://127.0.0.1"))
        options.tls = authority ?? options.tls
        options.credentialsFile = values["credentials"]?.value
        try options.validate()
        broker = options
      } catch { throw Problem(description: "\(values["broker"]?.place ?? "broker"): \(error)") }
      let webSocket = text("websocket", or: "127.0.0.1:8765")
      var options = GatewayServer.Options(
        broker: broker, api: try address("listen", text("listen", or: "127.0.0.1:8000")),
        webSocket: webSocket == "none" ? nil : try address("websocket", webSocket), replica: try replica())
      switch text("behind-proxy", or: "no") {
      case "yes", "true": options.isBehindProxy = true
      case "no", "false": break
      default: throw problem("behind-proxy", "yes or no")
      }
      if values["keep-days"] != nil {
        guard let days = Int64(text("keep-days", or: "")), (1...36_500).contains(days) else {
          throw problem("keep-days", "1 to 36500")
        }
        options.keepDays = days
      }
      if options.webSocket == options.api, options.api.port != 0 {
        throw problem("websocket", "another port than that of the API")
      }
      options.origins = text("origins", or: "").split(separator: ",").map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      for origin in options.origins where !origin.hasPrefix("https://") && !origin.hasPrefix("http://") {
        throw problem("origins", "https://HOST or http://HOST, separated by commas")
      }
      return options
    }

    private func address(_ name: String, _ text: String) throws(Problem) -> GatewayServer.Address {
      guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
        throw problem(name, "HOST:PORT")
      }
      let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
      guard !host.isEmpty else { throw problem(name, "HOST:PORT") }
      return GatewayServer.Address(host: host, port: Int(port))
    }

    private func replica() throws(Problem) -> String {
      if let (value, _) = values["replica"] {
        guard Self.isName(value) else { throw problem("replica", "1 to 32 of A-Z a-z 0-9 _ -") }
        return value
      }
      let host = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
        .map { Self.isName(String($0)) ? $0 : "-" }.prefix(32)
      return host.isEmpty ? "gateway" : String(host)
    }

    private static func isName(_ text: String) -> Bool {
      (1...32).contains(text.utf8.count)
        && text.utf8.allSatisfy {
          (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F
            || $0 == 0x2D
        }
    }
  }
}
