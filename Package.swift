// swift-tools-version: 6.2
import PackageDescription

// Arrows point one way (docs/design.md): PrimalLogic knows nothing, HandModel the domain, Devices the chips,
// Simulation the same chips without hardware, LinuxIO the kernel's interfaces to real ones, Realtime threads and
// rings, Runtime the running hand; Recording and Telemetry only consume tick records; Replay runs recorded ticks
// again, Campaign runs hands with faults, Analysis measures at a desk. The executables compose them.
let package = Package(
  name: "MotorHand",
  products: [
    .library(name: "PrimalLogic", targets: ["PrimalLogic"]),
    .executable(name: "motorhandd", targets: ["motorhandd"]),
    .executable(name: "motorhand", targets: ["motorhand"]),
    .executable(name: "motorhand-gateway", targets: ["motorhand-gateway"]),
  ],
  dependencies: [
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    // Of the gateway alone.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .target(name: "PrimalLogic"),
    .target(name: "HandModel", dependencies: ["PrimalLogic"]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "Wire", dependencies: ["HandModel", "CZstd", "CCrypto"]),
    .target(name: "CRealtime"),
    .target(
      name: "Realtime",
      dependencies: ["CRealtime", .product(name: "SystemPackage", package: "swift-system")]),
    .target(name: "HandFiles", dependencies: ["Wire", "Realtime", "Yams"]),
    .target(name: "Devices", dependencies: ["HandModel"]),
    .target(name: "Simulation", dependencies: ["Devices", "Realtime"]),
    .systemLibrary(name: "CI2C", providers: [.apt(["libi2c-dev"])]),
    // Compiles against both incompatible versions of libgpiod: 1 (Debian 12) and 2 (Debian 13).
    .target(name: "CGPIO", linkerSettings: [.linkedLibrary("gpiod")]),
    .target(name: "LinuxIO", dependencies: ["Devices", "Realtime", "CI2C", "CGPIO"]),
    .target(name: "Control", dependencies: ["PrimalLogic", "HandModel", "Devices"]),
    .target(name: "Runtime", dependencies: ["Control", "Devices", "Realtime", "Wire"]),
    .target(
      name: "ControlSocket",
      dependencies: ["Wire", "Realtime", .product(name: "Logging", package: "swift-log")]),
    .target(
      name: "Service", dependencies: ["Realtime", .product(name: "Logging", package: "swift-log")]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "Recording", dependencies: ["Wire", "Realtime", "CSQLite", "CZstd"]),
    .target(name: "Replay", dependencies: ["Control", "HandFiles", "Recording"]),
    // Random numbers of property tests and of the fault campaign, repeatable from a printed seed.
    .target(name: "SeededRandom"),
    // With libssl beside it the linker gives libmosquitto the SSL_read of this target.
    .target(name: "CMosquitto", linkerSettings: [.linkedLibrary("mosquitto"), .linkedLibrary("ssl")]),
    .target(
      name: "Telemetry",
      dependencies: [
        "Wire", "Realtime", "Recording", "CMosquitto",
        .product(name: "Logging", package: "swift-log"),
      ]),
    // Upstream, for many hands. Neither daemon nor bench tool links it.
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CCrypt", providers: [.apt(["libcrypt-dev"])]),
    .target(
      name: "Gateway",
      dependencies: [
        "HandModel", "Wire", "Realtime", "Recording", "Telemetry", "CPostgres", "CCrypt",
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    // What runs at a desk: reports, plots, and benches beside the C programs in Benchmarks. The daemon does not link it.
    .target(
      name: "Analysis",
      dependencies: [
        "Runtime", "Simulation", "Recording", "Replay", "Telemetry", "ControlSocket", "HandFiles",
        "CMosquitto",
      ]),
    .target(
      name: "Campaign", dependencies: ["Runtime", "Simulation", "HandFiles", "Analysis", "SeededRandom"]),
    .executableTarget(
      name: "motorhandd",
      dependencies: [
        "Runtime", "LinuxIO", "Simulation", "HandFiles", "Recording", "Telemetry", "ControlSocket", "Service",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "motorhand",
      dependencies: [
        "Runtime", "LinuxIO", "Simulation", "HandFiles", "Recording", "Replay", "Telemetry", "ControlSocket",
        "Campaign", "Analysis",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "motorhand-gateway",
      dependencies: [
        "Gateway", "Realtime", "Service", "Telemetry", "Yams",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(name: "PrimalLogicTests", dependencies: ["PrimalLogic", "SeededRandom"]),
    // Certificates of random joints, for AgreementTests: SciPy does the same mathematics from the equations. Runs the
    // release build, as ProofTests do: a thousand searches take minutes in an unoptimised one.
    .executableTarget(
      name: "certificate-samples", dependencies: ["PrimalLogic", "SeededRandom"],
      path: "Tests/AgreementTests/Program",
      // PrimalLogic imports nothing, not even the C library's roots.
      linkerSettings: [.linkedLibrary("m")]),
    .testTarget(
      name: "AgreementTests", dependencies: ["Analysis", "certificate-samples"],
      path: "Tests/AgreementTests/Tests", exclude: ["agreement.py"]),
    .testTarget(name: "HandModelTests", dependencies: ["HandModel", "SeededRandom"]),
    // Hands for tests: the shipped ones, one in virtual time, one made in code.
    .target(name: "HandRigs", dependencies: ["Runtime", "Simulation", "HandFiles"], path: "Tests/HandRigs"),
    .testTarget(name: "HandFilesTests", dependencies: ["HandFiles", "SeededRandom"]),
    .testTarget(name: "WireTests", dependencies: ["HandFiles", "HandRigs", "SeededRandom"]),
    .testTarget(name: "ControlTests", dependencies: ["HandRigs", "Analysis", "SeededRandom"]),
    .testTarget(name: "ControlSocketTests", dependencies: ["ControlSocket", "HandRigs"]),
    // What each driver must do on any bus; the buses' tests run it.
    .target(name: "DeviceContracts", dependencies: ["Devices"], path: "Tests/DeviceContracts"),
    // Runs inside the real-kernel rig (docs/rig.md).
    .executableTarget(
      name: "rig-kernel", dependencies: ["DeviceContracts", "LinuxIO"], path: "Tests/Rig/Kernel"),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation", "DeviceContracts"]),
    .testTarget(name: "LinuxIOTests", dependencies: ["LinuxIO", "HandRigs", "DeviceContracts"]),
    .executableTarget(name: "realtime-probe", dependencies: ["Analysis"], path: "Tests/Probe/Program"),
    .testTarget(
      name: "RealtimeTests", dependencies: ["Realtime", "Analysis", "realtime-probe", "SeededRandom"]),
    .testTarget(name: "ServiceTests", dependencies: ["Service", "motorhandd"]),
    .testTarget(name: "RuntimeTests", dependencies: ["HandRigs", "Analysis", "SeededRandom"]),
    // Runs the release build of the two programs (docs/realtime.md, "Proof").
    .testTarget(name: "ProofTests"),
    // Records until it is killed, for a test of RecordingTests.
    .executableTarget(
      name: "recorder-feed", dependencies: ["Recording", "HandFiles"], path: "Tests/RecorderFeed"),
    .testTarget(
      name: "RecordingTests", dependencies: ["Recording", "HandFiles", "recorder-feed", "SeededRandom"],
      exclude: ["Older"]),
    .testTarget(name: "CampaignTests", dependencies: ["Campaign"]),
    .testTarget(name: "ReplayTests", dependencies: ["Replay", "Analysis", "CSQLite"]),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", "HandRigs", "SeededRandom"]),
    .testTarget(
      name: "GatewayTests",
      dependencies: [
        "Gateway", "SeededRandom", "PrimalLogic", "Recording", "Telemetry", "Realtime", "Wire", "HandModel",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(name: "AnalysisTests", dependencies: ["Analysis", "HandRigs"]),
    .testTarget(name: "MotorHandTests", dependencies: ["motorhand"]),
    .testTarget(name: "EndToEndTests", dependencies: ["motorhandd", "motorhand", "motorhand-gateway"]),
  ]
)

// The fuzzed program takes its main from libFuzzer, which only Scripts/fuzz links (docs/testing.md).
if Context.environment["MOTORHAND_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz", dependencies: ["Runtime", "Telemetry", "HandFiles", "Analysis"],
      path: "Tests/Fuzz/Program"))
}
