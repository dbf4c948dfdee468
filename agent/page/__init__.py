"""What the status page says, in two languages: view models as plain data, which templates render and events carry."""
