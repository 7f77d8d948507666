//! Chaining and fan-out over public data.

use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::Lookup;

/// What the public API says of a character; the other things are addresses.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Character {
    name: String,
    homeworld: String,
    species: Vec<String>,
    films: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Planet {
    name: String,
    residents: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Titled {
    title: String,
}

#[activity(name = "SearchCharacterActivity")]
pub(super) async fn search_character(
    State(lookup): State<Lookup>,
    name: String,
) -> Result<Option<Character>, ActivityError> {
    lookup.search("people", &name).await
}

#[activity(name = "SearchPlanetActivity")]
pub(super) async fn search_planet(State(lookup): State<Lookup>, name: String) -> Result<Option<Planet>, ActivityError> {
    lookup.search("planets", &name).await
}

#[activity(name = "GetCharacterActivity")]
pub(super) async fn get_character(State(lookup): State<Lookup>, address: String) -> Result<Character, ActivityError> {
    lookup.get(&address).await
}

#[activity(name = "GetPlanetActivity")]
pub(super) async fn get_planet(State(lookup): State<Lookup>, address: String) -> Result<Planet, ActivityError> {
    lookup.get(&address).await
}

#[activity(name = "GetSpeciesActivity")]
pub(super) async fn get_species(State(lookup): State<Lookup>, address: String) -> Result<String, ActivityError> {
    Ok(lookup.get::<Named>(&address).await?.name)
}

#[activity(name = "GetFilmActivity")]
pub(super) async fn get_film(State(lookup): State<Lookup>, address: String) -> Result<String, ActivityError> {
    Ok(lookup.get::<Titled>(&address).await?.title)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CharacterInfo {
    name: String,
    home_world: String,
    species: Option<String>,
    first_film: Option<String>,
}

/// Four calls, each with what the first one found.
#[orchestrator(name = "GetCharacterInfo")]
pub(super) async fn get_character_info(
    ctx: OrchestrationContext,
    name: String,
) -> Result<Option<CharacterInfo>, OrchestratorError> {
    let Some(character) = ctx.call_activity(search_character, name).await? else { return Ok(None) };
    let home_world = ctx.call_activity(get_planet, character.homeworld).await?.name;
    let species = match character.species.into_iter().next() {
        Some(address) => Some(ctx.call_activity(get_species, address).await?),
        None => None,
    };
    let first_film = match character.films.into_iter().next() {
        Some(address) => Some(ctx.call_activity(get_film, address).await?),
        None => None,
    };
    Ok(Some(CharacterInfo { name: character.name, home_world, species, first_film }))
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanetResidents {
    planet_name: Option<String>,
    residents: Vec<String>,
}

/// One call for the planet, and one for each of its residents, all at once.
#[orchestrator(name = "GetPlanetResidents")]
pub(super) async fn get_planet_residents(
    ctx: OrchestrationContext,
    name: String,
) -> Result<PlanetResidents, OrchestratorError> {
    let Some(planet) = ctx.call_activity(search_planet, name).await? else { return Ok(PlanetResidents::default()) };
    let calls = planet.residents.into_iter().map(|address| ctx.call_activity(get_character, address));
    let residents = try_join_all(calls).await?;
    let residents = residents.into_iter().map(|resident| resident.name).collect();
    Ok(PlanetResidents { planet_name: Some(planet.name), residents })
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;
    use serde_json::json;

    #[test]
    fn a_character_takes_four_calls() {
        let mut script = Script::new(get_character_info, "Luke".to_owned());
        let found = json!({ "name": "Luke", "homeworld": "p/1", "species": ["s/1", "s/2"], "films": ["f/1"] });
        script.complete(0, found);
        assert_eq!(script.calls(), [r#"#1 GetPlanetActivity "p/1""#]);
        script.complete(1, json!({ "name": "Tatooine", "residents": [] }));
        assert_eq!(script.calls(), [r#"#2 GetSpeciesActivity "s/1""#]);
        script.complete(2, "Human");
        script.complete(3, "A New Hope");
        let info = json!({ "name": "Luke", "homeWorld": "Tatooine", "species": "Human", "firstFilm": "A New Hope" });
        assert_eq!(script.output(), Some(info));
    }

    #[test]
    fn residents_are_looked_up_at_once() {
        let mut script = Script::new(get_planet_residents, "Tatooine".to_owned());
        script.complete(0, json!({ "name": "Tatooine", "residents": ["c/1", "c/2"] }));
        assert_eq!(script.calls(), [r#"#1 GetCharacterActivity "c/1""#, r#"#2 GetCharacterActivity "c/2""#]);
        for (task, name) in [(2, "C-3PO"), (1, "Luke")] {
            script.complete(task, json!({ "name": name, "homeworld": "", "species": [], "films": [] }));
        }
        assert_eq!(script.output(), Some(json!({ "planetName": "Tatooine", "residents": ["Luke", "C-3PO"] })));
    }

    #[test]
    fn an_unknown_planet_has_no_residents() {
        let mut script = Script::new(get_planet_residents, "Nowhere".to_owned());
        script.complete(0, None::<()>);
        assert_eq!(script.output(), Some(json!({ "planetName": null, "residents": [] })));
    }
}
