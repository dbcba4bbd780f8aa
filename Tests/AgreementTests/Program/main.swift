// certificate-samples nominal|uncertain|coupled SEED COUNT
// certificate-samples simulate|simulate-uncertain SEED COUNT TICKS PART PARTS [LOWERED]

let words = CommandLine.arguments
switch (words.dropFirst().first, words.dropFirst(2).compactMap { UInt64($0) }) {
case ("nominal", let numbers) where numbers.count == 2: printNominal(seed: numbers[0], count: Int(numbers[1]))
case ("uncertain", let numbers) where numbers.count == 2:
  printUncertain(seed: numbers[0], count: Int(numbers[1]))
case ("coupled", let numbers) where numbers.count == 2: printCoupled(seed: numbers[0], count: Int(numbers[1]))
case (let verb?, let numbers) where verb.hasPrefix("simulate") && numbers.count >= 5:
  let simulate = verb == "simulate" ? simulateNominal : simulateUncertain
  simulate(
    numbers[0], Int(numbers[1]), Int(numbers[2]), Int(numbers[3]), Int(numbers[4]),
    words.count > 7 ? Double(words[7]) ?? .nan : 0)
default:
  fatalError(
    "expected nominal|uncertain|coupled SEED COUNT or simulate|simulate-uncertain SEED COUNT TICKS PART PARTS "
      + "[LOWERED]")
}
