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
  ],
  dependencies: [
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
  ],
  targets: [
    .target(name: "PrimalLogic"),
    .target(name: "HandModel", dependencies: ["PrimalLogic", "Yams"]),
    .target(name: "Devices", dependencies: ["HandModel"]),
    .target(name: "Simulation", dependencies: ["Devices", "Realtime"]),
    .target(name: "CRealtime"),
    .target(name: "Realtime", dependencies: ["CRealtime"]),
    .systemLibrary(name: "CI2C", providers: [.apt(["libi2c-dev"])]),
    // Compiles against both incompatible versions of libgpiod: 1 (Debian 12) and 2 (Debian 13).
    .target(name: "CGPIO", linkerSettings: [.linkedLibrary("gpiod")]),
    .target(name: "LinuxIO", dependencies: ["Devices", "Realtime", "CI2C", "CGPIO"]),
    .target(
      name: "Runtime",
      dependencies: ["PrimalLogic", "HandModel", "Devices", "Simulation", "LinuxIO", "Realtime"]),
    .target(name: "Service", dependencies: ["HandModel"]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "Recording", dependencies: ["HandModel", "Realtime", "CSQLite"]),
    .target(name: "Replay", dependencies: ["Runtime", "Recording"]),
    // Random numbers of property tests and of the fault campaign, repeatable from a printed seed.
    .target(name: "SeededRandom"),
    .target(name: "Campaign", dependencies: ["Runtime", "Simulation", "SeededRandom"]),
    .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
    .target(name: "Telemetry", dependencies: ["HandModel", "Realtime", "CMosquitto"]),
    // What runs at a desk: measurements beside the C programs in Benchmarks. The daemon does not link it.
    .target(name: "Analysis", dependencies: ["Runtime", "Recording", "Telemetry"]),
    .executableTarget(
      name: "motorhandd",
      dependencies: [
        "Runtime", "Recording", "Telemetry", "Service",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "motorhand",
      dependencies: [
        "Runtime", "Recording", "Replay", "LinuxIO", "Campaign", "Analysis", "CMosquitto",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(name: "PrimalLogicTests", dependencies: ["PrimalLogic", "SeededRandom"]),
    // Certificates of random joints, for AgreementTests: SciPy does the same mathematics from the equations. Runs the
    // release build, as ProofTests do: a thousand searches take minutes in an unoptimised one.
    .executableTarget(
      name: "certificate-samples", dependencies: ["PrimalLogic"], path: "Tests/AgreementTests/Program",
      // PrimalLogic imports nothing, not even the C library's roots.
      linkerSettings: [.linkedLibrary("m")]),
    .testTarget(
      name: "AgreementTests", dependencies: ["Realtime", "certificate-samples"],
      path: "Tests/AgreementTests/Tests", exclude: ["agreement.py"]),
    .testTarget(name: "HandModelTests", dependencies: ["HandModel", "SeededRandom"]),
    // What each driver must do on any bus; the buses' tests run it.
    .target(name: "DeviceContracts", dependencies: ["Devices"], path: "Tests/DeviceContracts"),
    // Runs inside the real-kernel rig (docs/rig.md).
    .executableTarget(
      name: "rig-kernel", dependencies: ["DeviceContracts", "LinuxIO"], path: "Tests/Rig/Kernel"),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation", "DeviceContracts"]),
    .testTarget(name: "LinuxIOTests", dependencies: ["LinuxIO", "DeviceContracts"]),
    .executableTarget(name: "realtime-probe", dependencies: ["Realtime"], path: "Tests/Probe/Program"),
    .testTarget(name: "RealtimeTests", dependencies: ["Realtime", "realtime-probe", "SeededRandom"]),
    .testTarget(name: "ServiceTests", dependencies: ["Service"]),
    .testTarget(name: "RuntimeTests", dependencies: ["Runtime", "LinuxIO", "SeededRandom"]),
    // Runs the release build of the two programs (docs/realtime.md, "Proof").
    .testTarget(name: "ProofTests"),
    // Records until it is killed, for a test of RecordingTests.
    .executableTarget(name: "recorder-feed", dependencies: ["Recording"], path: "Tests/RecorderFeed"),
    .testTarget(name: "RecordingTests", dependencies: ["Recording", "recorder-feed", "SeededRandom"]),
    .testTarget(name: "CampaignTests", dependencies: ["Campaign"]),
    .testTarget(name: "ReplayTests", dependencies: ["Replay", "CSQLite"]),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", "SeededRandom"]),
    .testTarget(name: "AnalysisTests", dependencies: ["Analysis"]),
    .testTarget(name: "MotorHandTests", dependencies: ["motorhand"]),
    .testTarget(name: "EndToEndTests", dependencies: ["motorhandd", "motorhand"]),
  ]
)

// The fuzzed program takes its main from libFuzzer, which only Scripts/fuzz links (docs/testing.md).
if Context.environment["MOTORHAND_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(name: "fuzz", dependencies: ["Runtime", "Telemetry"], path: "Tests/Fuzz/Program"))
}
