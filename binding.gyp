{
  # The secondary door: CMakeLists.txt holds the one list of sources and flags, this target only calls it.
  "targets": [
    {
      "target_name": "slipway",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/slipway.node"],
          "action": ["node", "scripts/native-build.mjs", "--config=<(CONFIGURATION_NAME)"]
        }
      ]
    }
  ]
}
