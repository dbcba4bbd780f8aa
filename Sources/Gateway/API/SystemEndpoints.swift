import HandModel
import Wire

/// What the gateway is, how it is, and what it can do.
struct SystemEndpoints: Sendable {
  /// The name that the source system had, which its clients may look for.
  private static let service = "MotorHandPro API"

  let services: GatewayServices

  var all: [Endpoint] { [root, health, live, ready, metrics] }

  private var root: Endpoint {
    Endpoint(
      method: .get, path: "/", access: .open, summary: "Which service this is",
      success: (
        200,
        .object([
          .required("service", .text(), "the source system's name"),
          .required("version", .text(), "of this program"),
          .required("status", .text(words: ["running"]), "always running"),
          .required("timestamp", .text(), "RFC 3339"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      .json([
        "service": .string(Self.service), "version": .string(motorHandVersion), "status": "running",
        "timestamp": .string(call.now.text),
      ])
    }
  }

  private static let healthShape = Shape.object([
    .required("status", .text(words: ["healthy", "unhealthy"]), "whether nothing is in its way"),
    .required("timestamp", .text(), "RFC 3339"), .required("database", .text(), "connected, or why not"),
    .required("mqtt", .text(), "connected, or why not"),
    .required("ingest", .text(), "connected, or why not"),
  ])

  private static func health(_ path: String, _ summary: String, _ services: GatewayServices) -> Endpoint {
    Endpoint(
      method: .get, path: path, access: .open, summary: summary,
      success: (200, healthShape, "application/json"),
      failures: [503]
    ) { (call) throws(Problem) in
      let problems = await services.problems()
      func word(_ name: String) -> JSONValue {
        .string(problems.first { $0.name == name }?.problem ?? "connected")
      }
      return .json(
        [
          "status": problems.isEmpty ? "healthy" : "unhealthy", "timestamp": .string(call.now.text),
          "database": word("database"), "mqtt": word("mqtt"), "ingest": word("ingest"),
        ], status: problems.isEmpty ? 200 : 503)
    }
  }

  private var health: Endpoint { Self.health("/health", "Whether store and broker answer", services) }
  private var ready: Endpoint {
    Self.health("/health/ready", "Whether requests should be sent here", services)
  }

  private var live: Endpoint {
    Endpoint(
      method: .get, path: "/health/live", access: .open, summary: "Whether the process answers",
      success: (
        200, .object([.required("status", .text(words: ["alive"]), "always alive")]), "application/json"
      )
    ) { (_) throws(Problem) in .json(["status": "alive"]) }
  }

  private var metrics: Endpoint {
    Endpoint(
      method: .get, path: "/metrics", access: .open, summary: "Counters, as Prometheus reads them",
      success: (200, .any, "text/plain; version=0.0.4")
    ) { (_) throws(Problem) in .text(services.metrics.text(services), "text/plain; version=0.0.4") }
  }
}
